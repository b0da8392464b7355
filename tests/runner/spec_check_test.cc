#include "spec_check.h"

#include <gtest/gtest.h>

#include "expect_error.h"

namespace layerkit::runner {
namespace {

using layerkit::testing::expect_error;

ContainerSpec good_spec() {
  ContainerSpec spec;
  spec.id = "box-1.a_b";
  spec.process.args = {"/bin/true"};
  return spec;
}

void expect_refused(const std::string& text, const ContainerSpec& spec) {
  expect_error(Errc::Invalid, text, [&] { check_spec(spec); });
}

TEST(SpecCheckTest, AcceptsAPlainSpec) {
  EXPECT_NO_THROW(check_spec(good_spec()));
}

TEST(SpecCheckTest, RefusesIdsThatAreNoDirectoryNames) {
  for (const std::string id : {"", ".", "..", "a/b", "-a", "a b", "a\n"}) {
    expect_error(Errc::Invalid, "invalid container ID format", [&] { check_id(id); });
  }
  expect_error(Errc::Invalid, "invalid container ID format",
               [] { check_id(std::string(256, 'a')); });
}

TEST(SpecCheckTest, RefusesAnEmptyCommand) {
  ContainerSpec spec = good_spec();
  spec.process.args = {};
  expect_refused("reading the command: it is empty", spec);
  spec.process.args = {""};
  expect_refused("reading the command: it is empty", spec);
}

TEST(SpecCheckTest, RefusesNulBytes) {
  ContainerSpec spec = good_spec();
  spec.process.args.emplace_back("a\0b", 3);
  expect_refused("reading argument 'a\\x00b': it has a NUL byte", spec);
}

TEST(SpecCheckTest, RefusesVariablesWithoutName) {
  ContainerSpec spec = good_spec();
  spec.process.env = {"=x"};
  expect_refused("'=x': not KEY=VALUE", spec);
  spec.process.env = {"PATH"};
  expect_refused("'PATH': not KEY=VALUE", spec);
}

TEST(SpecCheckTest, RefusesRelativeWorkingDirectories) {
  ContainerSpec spec = good_spec();
  spec.process.cwd = "home";
  expect_refused("reading working directory 'home': not absolute", spec);
}

TEST(SpecCheckTest, RefusesToCopyTheRootIntoItself) {
  ContainerSpec spec = good_spec();
  spec.mounts.emplace_back();
  spec.mounts.back().type = "tmpfs";
  spec.mounts.back().target = "/a/..";
  EXPECT_NO_THROW(check_spec(spec));
  spec.mounts.back().copies_up = true;
  expect_refused("reading mount target '/a/..'", spec);
}

TEST(SpecCheckTest, RefusesBindsWithoutSource) {
  ContainerSpec spec = good_spec();
  spec.mounts.emplace_back();
  spec.mounts.back().type = "bind";
  spec.mounts.back().target = "/data";
  expect_refused("reading mount '/data': a bind mount without source", spec);
}

TEST(SpecCheckTest, RefusesUserNamespacesWithoutMappings) {
  ContainerSpec spec = good_spec();
  spec.namespaces.user.from = Namespace::From::New;
  expect_refused("a user namespace needs uid and gid mappings", spec);
}

TEST(SpecCheckTest, RefusesSysctlsOfTheHost) {
  ContainerSpec spec = good_spec();
  spec.sysctls = {{"kernel.panic", "1"}};
  expect_refused("'kernel.panic': it does not belong to a namespace of the container", spec);
  spec.sysctls = {{"net.ipv4.ip_forward", "1"}};
  EXPECT_NO_THROW(check_spec(spec));
  spec.namespaces.network.from = Namespace::From::Caller;
  expect_refused("'net.ipv4.ip_forward': it does not belong", spec);
}

TEST(SpecCheckTest, SysctlNamesBecomePathsBelowProcSys) {
  EXPECT_EQ(sysctl_path("net.ipv4.ip_forward"), "net/ipv4/ip_forward");
  EXPECT_EQ(sysctl_path("net/ipv4/conf/eth0.1/rp_filter"), "net/ipv4/conf/eth0.1/rp_filter");
  EXPECT_EQ(sysctl_path("net.ipv4.conf.eth0/1.rp_filter"), "net/ipv4/conf/eth0.1/rp_filter");
  for (const char* name : {"net/../kernel/panic", "", "/net/x", "net//x", "net..x"}) {
    expect_error(Errc::Invalid, "not a name of a sysctl", [&] { sysctl_path(name); });
  }
}

}  // namespace
}  // namespace layerkit::runner
