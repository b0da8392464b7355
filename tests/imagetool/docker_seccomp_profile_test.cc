#include "layerkit/imagetool/docker_seccomp_profile.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "expect_error.h"

namespace layerkit {
namespace {

using testing::expect_error;
using Words = std::vector<std::string>;

SeccompTarget target() {
  SeccompTarget target;
  target.capabilities = {"CAP_CHOWN", "CAP_SYS_CHROOT"};
  target.architecture = "SCMP_ARCH_X86_64";
  target.go_architecture = "amd64";
  target.kernel_major = 5;
  target.kernel_minor = 10;
  return target;
}

SeccompProfile parse(const std::string& text) {
  return parse_docker_seccomp_profile(text, "profile", target());
}

/// The names of the rules that apply, of one rule each.
Words names_of(const std::string& rules) {
  Words names;
  for (const auto& rule :
       parse(R"({"defaultAction":"SCMP_ACT_ERRNO","syscalls":[)" + rules + "]}").syscalls)
    names.insert(names.end(), rule.names.begin(), rule.names.end());
  return names;
}

std::string rule(const std::string& name, const std::string& more) {
  return R"({"names":[")" + name + R"("],"action":"SCMP_ACT_ALLOW",)" + more + "}";
}

TEST(DockerSeccompProfileTest, EveryMemberIsRead) {
  const auto profile = parse(R"({
    "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38,
    "flags": ["SECCOMP_FILTER_FLAG_LOG"],
    "archMap": [
      {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": ["SCMP_ARCH_ARM"]},
      {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]}],
    "syscalls": [{"names": ["clone"], "action": "SCMP_ACT_ERRNO", "errnoRet": 13, "comment": "x",
                  "args": [{"index": 1, "value": 18446744073709551615, "valueTwo": 2,
                            "op": "SCMP_CMP_MASKED_EQ"}]}]})");
  EXPECT_EQ(profile.default_action, "SCMP_ACT_ERRNO");
  EXPECT_EQ(profile.default_errno_ret, 38U);
  EXPECT_EQ(profile.flags, Words{"SECCOMP_FILTER_FLAG_LOG"});
  EXPECT_EQ(profile.architectures, (Words{"SCMP_ARCH_X86_64", "SCMP_ARCH_X86"}));
  ASSERT_EQ(profile.syscalls.size(), 1U);
  const auto& clone = profile.syscalls.front();
  EXPECT_EQ(clone.names, Words{"clone"});
  EXPECT_EQ(clone.action, "SCMP_ACT_ERRNO");
  EXPECT_EQ(clone.errno_ret, 13U);
  ASSERT_EQ(clone.args.size(), 1U);
  EXPECT_EQ(clone.args[0].index, 1U);
  EXPECT_EQ(clone.args[0].value, UINT64_MAX);
  EXPECT_EQ(clone.args[0].value_two, 2U);
  EXPECT_EQ(clone.args[0].op, "SCMP_CMP_MASKED_EQ");
}

TEST(DockerSeccompProfileTest, CapabilitiesDecideAboutRules) {
  EXPECT_EQ(names_of(rule("a", R"("includes":{"caps":["CAP_CHOWN","CAP_SYS_CHROOT"]})")),
            Words{"a"});
  EXPECT_EQ(names_of(rule("a", R"("includes":{"caps":["CAP_CHOWN","CAP_SYS_ADMIN"]})")), Words{});
  EXPECT_EQ(names_of(rule("a", R"("excludes":{"caps":["CAP_SYS_ADMIN"]})")), Words{"a"});
  EXPECT_EQ(names_of(rule("a", R"("excludes":{"caps":["CAP_SYS_ADMIN","CAP_CHOWN"]})")), Words{});
}

TEST(DockerSeccompProfileTest, ArchitectureAndKernelDecideAboutRules) {
  EXPECT_EQ(names_of(rule("a", R"("includes":{"arches":["arm64","amd64"]})")), Words{"a"});
  EXPECT_EQ(names_of(rule("a", R"("includes":{"arches":["arm64"]})")), Words{});
  EXPECT_EQ(names_of(rule("a", R"("excludes":{"arches":["amd64"]})")), Words{});
  EXPECT_EQ(names_of(rule("a", R"("includes":{"minKernel":"5.10"})")), Words{"a"});
  EXPECT_EQ(names_of(rule("a", R"("includes":{"minKernel":"5.11"})")), Words{});
  EXPECT_EQ(names_of(rule("a", R"("includes":{"minKernel":"6.1"})")), Words{});
  EXPECT_EQ(names_of(rule("a", R"("excludes":{"minKernel":"4.8"})")), Words{});
  EXPECT_EQ(names_of(rule("a", R"("excludes":{"minKernel":"5.11"})")), Words{"a"});
}

TEST(DockerSeccompProfileTest, PodmansNamesOfErrorsAreRead) {
  const auto profile = parse(R"({"defaultAction":"SCMP_ACT_ERRNO","defaultErrno":"ENOSYS",
    "defaultErrnoRet":1,"syscalls":[{"name":"x","action":"SCMP_ACT_ERRNO","errno":"EPERM"}]})");
  EXPECT_EQ(profile.default_errno_ret, static_cast<std::uint32_t>(ENOSYS));
  EXPECT_EQ(profile.syscalls[0].errno_ret, static_cast<std::uint32_t>(EPERM));
  expect_error(Errc::Invalid, "'defaultErrno' is not the name of an error",
               [] { parse(R"({"defaultAction":"SCMP_ACT_ERRNO","defaultErrno":"ENONSENSE"})"); });
}

TEST(DockerSeccompProfileTest, WhatIsWrongIsNamed) {
  const auto refused = [](const char* message, const std::string& text) {
    SCOPED_TRACE(text);
    expect_error(Errc::Invalid, message, [&] { parse(text); });
  };
  refused("parsing profile", "{");
  refused("'defaultAction' is missing", "{}");
  refused("not a member", R"({"defaultAction":"x","sysCalls":[]})");
  refused("'syscalls[0].exludes' is not a member",
          R"({"defaultAction":"x","syscalls":[{"names":["a"],"action":"y","exludes":{}}]})");
  refused("use either",
          R"({"defaultAction":"x","architectures":["a"],"archMap":[{"architecture":"b"}]})");
  refused("both 'name' and 'names'",
          R"({"defaultAction":"x","syscalls":[{"name":"a","names":["b"],"action":"y"}]})");
  refused("not a kernel version",
          R"({"defaultAction":"x","syscalls":[{"names":["a"],"action":"y",
              "includes":{"minKernel":"4"}}]})");
  refused("nobody listens", R"({"defaultAction":"x","listenerPath":"/run/x"})");
  refused("'defaultErrnoRet' is too large",
          R"({"defaultAction":"x","defaultErrnoRet":4294967296})");
}

TEST(DockerSeccompProfileTest, TheTargetIsThisMachine) {
  const auto here = seccomp_target({"CAP_CHOWN"});
  EXPECT_EQ(here.capabilities, Words{"CAP_CHOWN"});
  EXPECT_GE(here.kernel_major, 5U);
  EXPECT_TRUE(here.architecture.starts_with("SCMP_ARCH_"));
}

}  // namespace
}  // namespace layerkit
