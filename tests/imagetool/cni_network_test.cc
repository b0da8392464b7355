#include "cni/cni_network.h"

#include <gtest/gtest.h>

#include "cni/cni_plugin.h"
#include "expect_error.h"
#include "layerkit/base/file.h"
#include "temp_dir.h"

namespace layerkit {
namespace {

using testing::expect_error;

std::string list_of(const std::string& name) {
  return R"({"cniVersion":"1.0.0","name":")" + name + R"(","plugins":[{"type":"bridge"}]})";
}

TEST(CniNetworkTest, AListIsRead) {
  const auto network = parse_cni_network(
      R"({"cniVersion":"0.4.0","name":"lan","disableCheck":true,"more":1,
          "plugins":[{"type":"bridge","x":1},
                     {"type":"portmap","capabilities":{"portMappings":true,"ips":false}}]})",
      "list");
  EXPECT_EQ(network.name, "lan");
  EXPECT_EQ(network.version, "0.4.0");
  EXPECT_TRUE(network.disable_check);
  ASSERT_EQ(network.plugins.size(), 2U);
  EXPECT_EQ(network.plugins[0]["x"], 1);
  EXPECT_TRUE(has_cni_capability(network, "portMappings"));
  EXPECT_FALSE(has_cni_capability(network, "ips"));
  EXPECT_FALSE(has_cni_capability(network, "mac"));
}

TEST(CniNetworkTest, WhatCannotBeIsNamed) {
  const auto refused = [](Errc code, const char* message, const std::string& text) {
    SCOPED_TRACE(text);
    expect_error(code, message, [&] { parse_cni_network(text, "list"); });
  };
  refused(Errc::Invalid, "parsing list", "{");
  refused(Errc::Invalid, "'name' is missing", "{}");
  refused(Errc::Invalid, "invalid network name: '../x'",
          R"({"cniVersion":"1.0.0","name":"../x","plugins":[{"type":"a"}]})");
  refused(Errc::Unsupported, "CNI version '9.0.0'",
          R"({"cniVersion":"9.0.0","name":"x","plugins":[{"type":"a"}]})");
  refused(Errc::Invalid, "has no plugins", R"({"cniVersion":"1.0.0","name":"x","plugins":[]})");
  refused(Errc::Invalid, "not the name of a plugin",
          R"({"cniVersion":"1.0.0","name":"x","plugins":[{"type":"../../bin/sh"}]})");
}

TEST(CniNetworkTest, TheFirstFileInLexicalOrderCounts) {
  const testing::TempDir dir;
  const auto write = [&](const char* file, const std::string& text) {
    write_file_at(dir.fd(), file, text, 0644);
  };
  write("20-b.conflist", list_of("two"));
  write("10-a.conflist", list_of("one"));
  write("30-c.conf", "not a list");
  EXPECT_EQ(list_cni_files(dir.path()),
            (std::vector<std::string>{"10-a.conflist", "20-b.conflist"}));
  EXPECT_EQ(find_cni_network(dir.path(), "two").name, "two");
  EXPECT_EQ(find_cni_network(dir.path(), "bridge").name, "one");
  expect_error(Errc::NotFound, "network 'three' not found",
               [&] { find_cni_network(dir.path(), "three"); });
  write("40-d.conflist", list_of("bridge"));
  EXPECT_EQ(find_cni_network(dir.path(), "bridge").name, "bridge");
  EXPECT_TRUE(list_cni_files(dir.path("nosuch")).empty());
}

TEST(CniNetworkTest, WhatIsWrittenCanBeRead) {
  const auto network = parse_cni_network(default_cni_network("lan", "br-x", "10.1.0.0/24"), "list");
  EXPECT_EQ(network.name, "lan");
  EXPECT_EQ(network.plugins[0]["bridge"], "br-x");
  EXPECT_EQ(network.plugins[0]["ipam"]["ranges"][0][0]["subnet"], "10.1.0.0/24");
  EXPECT_TRUE(has_cni_capability(network, "portMappings"));
}

TEST(CniAttachmentTest, SurvivesTheRecord) {
  CniAttachment attachment;
  attachment.network = parse_cni_network(list_of("lan"), "list");
  attachment.container_id = "abc";
  attachment.netns = "/run/x";
  attachment.plugin_directories = {"/a", "/b"};
  attachment.port_mappings.push_back({{"hostPort", 1}});
  const auto json = to_json(attachment);
  EXPECT_EQ(to_json(cni_attachment_from_json(json)), json);
  attachment.result = {{"cniVersion", "1.0.0"}};
  EXPECT_EQ(cni_attachment_from_json(to_json(attachment)).result, attachment.result);
}

}  // namespace
}  // namespace layerkit
