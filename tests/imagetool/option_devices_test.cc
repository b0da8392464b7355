#include <gtest/gtest.h>

#include "expect_error.h"
#include "layerkit/imagetool/option_values.h"

namespace layerkit {
namespace {

using testing::expect_error;

TEST(DeviceOptionTest, HasDockersForms) {
  EXPECT_EQ(parse_device_mapping("/dev/a"), (DeviceMapping{"/dev/a", "/dev/a", "rwm"}));
  EXPECT_EQ(parse_device_mapping("/dev/a:/dev//b"), (DeviceMapping{"/dev/a", "/dev/b", "rwm"}));
  EXPECT_EQ(parse_device_mapping("/dev/a:r"), (DeviceMapping{"/dev/a", "/dev/a", "r"}));
  EXPECT_EQ(parse_device_mapping("/dev/a:/b:mw"), (DeviceMapping{"/dev/a", "/b", "mw"}));
  EXPECT_EQ(parse_device_mapping("/dev/a::r"), (DeviceMapping{"/dev/a", "/dev/a", "r"}));
}

TEST(DeviceOptionTest, WhatIsNoneIsNamed) {
  for (const char* text : {"", "dev/a", "/dev/a:b", "/dev/a:/", "/dev/a:/b:", "/dev/a:/b:rr",
                           "/dev/a:/b:x", "/a:/b:r:w", "vendor.com/class=name"}) {
    SCOPED_TRACE(text);
    expect_error(Errc::Invalid, "", [&] { parse_device_mapping(text); });
  }
}

TEST(DeviceRuleTest, IsAsTheCgroupHasIt) {
  const auto rule = parse_device_rule("c 42:* rmw");
  EXPECT_TRUE(rule.allow);
  EXPECT_EQ(rule.type, 'c');
  EXPECT_EQ(rule.major, 42);
  EXPECT_EQ(rule.minor, std::nullopt);
  EXPECT_EQ(rule.access, "rmw");
  for (const char* text : {"", "c", "c 1:2", "d 1:2 r", "c 1 r", "c 1:2 x", "c 1:2:3 r", "c  1:2 r",
                           "cc 1:2 r", "c -1:2 r", "c 99999999999:1 r"}) {
    SCOPED_TRACE(text);
    expect_error(Errc::Invalid, "invalid device cgroup format", [&] { parse_device_rule(text); });
  }
}

TEST(DeviceLimitTest, IsAPathAndAValue) {
  const auto parse = [](const std::string& text) { return text.size(); };
  EXPECT_EQ(parse_device_limit("/dev/sda:abc", parse), std::pair(std::string("/dev/sda"), 3UL));
  expect_error(Errc::Invalid, "bad format", [&] { parse_device_limit("/dev/sda", parse); });
  expect_error(Errc::Invalid, "does not start with /dev/",
               [&] { parse_device_limit("/sda:1", parse); });
}

TEST(CpusetTest, IsAListOfRanges) {
  EXPECT_EQ(parse_cpuset("0-2,5"), "0-2,5");
  for (const char* text : {"", ",", "1,", "2-1", "a", "1-2-3", "-1", "70000", "1\n"}) {
    SCOPED_TRACE(text);
    expect_error(Errc::Invalid, "invalid list of CPUs", [&] { parse_cpuset(text); });
  }
}

}  // namespace
}  // namespace layerkit
