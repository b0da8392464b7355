#include <gtest/gtest.h>

#include "expect_error.h"
#include "layerkit/imagetool/option_values.h"

namespace layerkit {
namespace {

using testing::expect_error;
using Ports = std::vector<PortMapping>;

TEST(PublishTest, HasDockersForms) {
  EXPECT_EQ(parse_publish("80"), (Ports{{"", 0, 80, "tcp"}}));
  EXPECT_EQ(parse_publish("8080:80/udp"), (Ports{{"", 8080, 80, "udp"}}));
  EXPECT_EQ(parse_publish("127.0.0.1:8080:80"), (Ports{{"127.0.0.1", 8080, 80, "tcp"}}));
  EXPECT_EQ(parse_publish("127.0.0.1::80"), (Ports{{"127.0.0.1", 0, 80, "tcp"}}));
  EXPECT_EQ(parse_publish("[::1]:8080:80/sctp"), (Ports{{"::1", 8080, 80, "sctp"}}));
  EXPECT_EQ(parse_publish("7000-7001:80-81"),
            (Ports{{"", 7000, 80, "tcp"}, {"", 7001, 81, "tcp"}}));
}

TEST(PublishTest, WhatIsNoneIsNamed) {
  for (const char* text : {"", ":", "0", "65536", "a", "80/", "80/icmp", "1-2:3", "3-2", "1-2-3",
                           "x:80:80", "1.2.3:80:80", "[::1:80:80", "1:2:3:4", "-80"}) {
    SCOPED_TRACE(text);
    expect_error(Errc::Invalid, "invalid", [&] { parse_publish(text); });
  }
  expect_error(Errc::Limit, "more than 4096 ports", [] { parse_publish("1-65535"); });
}

TEST(PublishTest, AFreePortIsOne) {
  EXPECT_NE(free_port({"127.0.0.1", 0, 80, "tcp"}), 0);
  EXPECT_NE(free_port({"", 0, 80, "udp"}), 0);
}

}  // namespace
}  // namespace layerkit
