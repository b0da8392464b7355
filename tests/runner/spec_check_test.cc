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

TEST(SpecCheckTest, RefusesASysctlByTwoNames) {
  ContainerSpec spec = good_spec();
  spec.sysctls = {{"net.ipv4.ip_forward", "1"}, {"net/ipv4/ip_forward", "0"}};
  expect_refused("'net/ipv4/ip_forward': 'net.ipv4.ip_forward' is the same one", spec);
  spec.sysctls = {{"kernel/domainname", "a"}};
  spec.domainname = "b";
  expect_refused("domain name 'b': sysctl kernel.domainname says 'a'", spec);
}

TEST(SpecCheckTest, RefusesMappingsThatTheKernelDoesNotTake) {
  ContainerSpec spec = good_spec();
  spec.namespaces.user.from = Namespace::From::New;
  spec.gid_mappings = {{0, 1000, 1}, {1, 100'000, 65'536}};
  spec.uid_mappings = spec.gid_mappings;
  EXPECT_NO_THROW(check_spec(spec));
  spec.uid_mappings = {{0, 0, UINT32_MAX}};
  EXPECT_NO_THROW(check_spec(spec));
  spec.uid_mappings = {{0, 1000, 0}};
  expect_refused("mapping ids: the range at 0 is empty", spec);
  spec.uid_mappings = {{1, 0, UINT32_MAX}};
  expect_refused("mapping ids: 1 and 4294967295 more is beyond the last id", spec);
  spec.uid_mappings = {{0, 1, UINT32_MAX}};
  expect_refused("mapping ids: 1 and 4294967295 more is beyond the last id", spec);
  spec.uid_mappings = {{0, 1000, 10}, {9, 2000, 1}};
  expect_refused("mapping ids: 9 is mapped twice", spec);
  spec.uid_mappings = {{0, 1000, 10}, {10, 1009, 1}};
  expect_refused("mapping ids: 1009 is mapped twice", spec);
  spec.uid_mappings.clear();
  for (std::uint32_t i = 0; i < 341; ++i)
    spec.uid_mappings.push_back({i, i, 1});
  expect_error(Errc::Limit, "341 ranges, and the kernel takes 340", [&] { check_spec(spec); });
}

TEST(SpecCheckTest, RefusesMappingsOfMountsThatTheKernelDoesNotTake) {
  ContainerSpec spec = good_spec();
  spec.mounts.emplace_back();
  spec.mounts.back().type = "tmpfs";
  spec.mounts.back().target = "/a";
  spec.mounts.back().gid_mappings = {{0, 0, 0}};
  expect_refused("the range at 0 is empty", spec);
}

/// mknod(2) would make 4097:1 the device 1:1.
TEST(SpecCheckTest, RefusesDeviceNumbersThatWouldBeCutOff) {
  ContainerSpec spec = good_spec();
  spec.devices = {{"/dev/a", 'c', 4095, 1'048'575}};
  EXPECT_NO_THROW(check_spec(spec));
  spec.devices = {{"/dev/a", 'c', 4097, 1}};
  expect_refused("reading device '/dev/a': 4097:1 is no device number", spec);
  spec.devices = {{"/dev/a", 'b', 1, 1'048'576}};
  expect_refused("reading device '/dev/a': 1:1048576 is no device number", spec);
  spec.devices = {{"/dev/a", 'c', 1, 3, 0666, UINT32_MAX}};
  expect_refused("reading device '/dev/a': 4294967295 is no ID", spec);
}

TEST(SpecCheckTest, RefusesToMaskTheRoot) {
  ContainerSpec spec = good_spec();
  spec.masked_paths = {"/...", "/a/.."};
  EXPECT_NO_THROW(check_spec(spec));
  for (const char* path : {"/", "//", "/.", "/../."}) {
    spec.masked_paths = {path};
    expect_refused("it is the root", spec);
  }
}

TEST(SpecCheckTest, RefusesSchedulersThatTheKernelWouldBend) {
  ContainerSpec spec = good_spec();
  const auto refused = [&](const std::string& text, std::uint32_t policy,
                           void (*change)(Scheduler&)) {
    spec.process.scheduler = Scheduler();
    spec.process.scheduler->policy = policy;
    change(*spec.process.scheduler);
    expect_refused(text, spec);
  };
  refused("a nice value of 20 is not in -20..19", 0, [](Scheduler& s) { s.nice = 20; });
  refused("a nice value of -21 is not in -20..19", 3, [](Scheduler& s) { s.nice = -21; });
  refused("its policy has no priority", 0, [](Scheduler& s) { s.priority = 1; });
  refused("a real-time priority of 0 is not in 1..99", 1, [](Scheduler&) {});
  refused("a real-time priority of 100 is not in 1..99", 2, [](Scheduler& s) { s.priority = 100; });
  refused("its policy has no runtime", 0, [](Scheduler& s) { s.runtime = 5000; });
  refused("its policy has no runtime", 5, [](Scheduler& s) { s.period = 5; });
  spec.process.scheduler = Scheduler();
  spec.process.scheduler->policy = 2;
  spec.process.scheduler->priority = 99;
  EXPECT_NO_THROW(check_spec(spec));
}

TEST(SpecCheckTest, RefusesListsOfCpusAndNodesThatAreNone) {
  ContainerSpec spec = good_spec();
  spec.process.initial_cpu_affinity = "0-1,3";
  EXPECT_NO_THROW(check_spec(spec));
  spec.process.final_cpu_affinity = "3-1";
  expect_refused("reading CPU affinity '3-1'", spec);
  spec.process.final_cpu_affinity.clear();
  spec.memory_policy = MemoryPolicy{0, "x"};
  expect_refused("reading memory nodes 'x'", spec);
}

TEST(SpecCheckTest, RefusesTextsThatExecveDoesNotTake) {
  ContainerSpec spec = good_spec();
  spec.process.args = {"a", std::string(131'071, 'x')};
  spec.process.env = {"A=" + std::string(131'069, 'x')};
  EXPECT_NO_THROW(check_spec(spec));
  spec.process.args.back() += 'x';
  expect_refused("reading an argument: it has 131072 bytes", spec);
  spec.process.args.pop_back();
  spec.process.env.back() += 'x';
  expect_refused("reading an environment variable: it has 131072 bytes", spec);
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
