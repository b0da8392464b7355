#include "layerkit/imagetool/option_values.h"

#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include <csignal>
#include <map>

#include "expect_error.h"

namespace layerkit {
namespace {

using testing::expect_error;

TEST(ParseSizeTest, ReadsDockersSuffixes) {
  const std::map<std::string, std::uint64_t> cases = {
      {"512", 512},        {"6b", 6},          {"1k", 1024},
      {"30m", 30 << 20},   {"30M", 30 << 20},  {"2g", std::uint64_t{2} << 30},
      {"64KiB", 64 << 10}, {"64kb", 64 << 10}, {"1.5g", std::uint64_t{3} << 29},
      {"1 m", 1 << 20},    {"0", 0},           {"1t", std::uint64_t{1} << 40},
  };
  for (const auto& [text, bytes] : cases)
    EXPECT_EQ(parse_size(text), bytes) << text;
}

TEST(ParseSizeTest, RefusesWhatIsNoSize) {
  for (const char* text : {"", "m", "-1", "1x", "1.m", ".5m", "1mm", "0x10", "1  m", "1m "}) {
    expect_error(Errc::Invalid, "invalid size", [&] { parse_size(text); });
  }
  expect_error(Errc::Invalid, "'9999999999p' is too large", [] { parse_size("9999999999p"); });
  expect_error(Errc::Invalid, "invalid size", [] { parse_size("99999999999999999999"); });
}

TEST(ParseNanoCpusTest, ReadsFractions) {
  EXPECT_EQ(parse_nano_cpus("0.5"), 500'000'000);
  EXPECT_EQ(parse_nano_cpus("2"), 2'000'000'000);
  EXPECT_EQ(parse_nano_cpus("1.000000001"), 1'000'000'001);
  for (const char* text : {"", "-1", "0.0000000001", "1.", "a", "1e3"}) {
    expect_error(Errc::Invalid, "invalid number of CPUs", [&] { parse_nano_cpus(text); });
  }
}

TEST(ParseSignalTest, TakesNamesAndNumbers) {
  EXPECT_EQ(parse_signal("9"), SIGKILL);
  EXPECT_EQ(parse_signal("KILL"), SIGKILL);
  EXPECT_EQ(parse_signal("sigterm"), SIGTERM);
  EXPECT_EQ(parse_signal("SIGRTMIN+3"), SIGRTMIN + 3);
  EXPECT_EQ(parse_signal("RTMAX-1"), SIGRTMAX - 1);
  EXPECT_EQ(parse_signal("RTMIN"), SIGRTMIN);
  for (const char* text : {"", "0", "65", "NOPE", "SIG", "RTMIN+99", "RTMIN-1", "-9", "RTMIN+"}) {
    expect_error(Errc::Invalid, "invalid signal", [&] { parse_signal(text); });
  }
}

TEST(ParseUlimitTest, ReadsSoftAndHard) {
  const Rlimit files = parse_ulimit("nofile=1024:2048");
  EXPECT_EQ(files.resource, RLIMIT_NOFILE);
  EXPECT_EQ(files.soft, 1024U);
  EXPECT_EQ(files.hard, 2048U);
  EXPECT_EQ(parse_ulimit("core=-1").hard, RLIM_INFINITY);
  EXPECT_EQ(ulimit_name(RLIMIT_NOFILE), "nofile");
  expect_error(Errc::Invalid, "invalid ulimit type: 'files'", [] { parse_ulimit("files=1"); });
  expect_error(Errc::Invalid, "must not be above", [] { parse_ulimit("nofile=3:2"); });
  expect_error(Errc::Invalid, "invalid ulimit argument", [] { parse_ulimit("nofile=1:2:3"); });
  expect_error(Errc::Invalid, "invalid ulimit argument", [] { parse_ulimit("nofile"); });
}

TEST(CapabilitiesTest, NamesAreNormalized) {
  EXPECT_EQ(parse_capability("net_admin"), "CAP_NET_ADMIN");
  EXPECT_EQ(parse_capability("CAP_CHOWN"), "CAP_CHOWN");
  EXPECT_EQ(parse_capability("all"), "ALL");
  expect_error(Errc::Invalid, "unknown capability: 'fly'", [] { parse_capability("fly"); });
}

TEST(CapabilitiesTest, AddAndDropCombineAsDockers) {
  const std::vector<std::string> defaults = {"CAP_CHOWN", "CAP_KILL"};
  using List = std::vector<std::string>;
  EXPECT_EQ(effective_capabilities(defaults, {}, {}), defaults);
  EXPECT_EQ(effective_capabilities(defaults, {}, {"CAP_KILL"}), List{"CAP_CHOWN"});
  EXPECT_EQ(effective_capabilities(defaults, {"CAP_SYS_TIME"}, {"ALL"}), List{"CAP_SYS_TIME"});
  EXPECT_EQ(effective_capabilities(defaults, {"CAP_KILL"}, {}), defaults);
  const auto all = effective_capabilities(defaults, {"ALL"}, {"CAP_CHOWN"});
  EXPECT_EQ(std::count(all.begin(), all.end(), "CAP_CHOWN"), 0);
}

std::optional<std::string> lookup(const std::string& name) {
  if (name == "SET") return "value";
  return std::nullopt;
}

TEST(EnvironmentTest, TakesValuesFromTheCaller) {
  EXPECT_EQ(parse_environment("A=b=c", lookup), "A=b=c");
  EXPECT_EQ(parse_environment("A=", lookup), "A=");
  EXPECT_EQ(parse_environment("SET", lookup), "SET=value");
  EXPECT_EQ(parse_environment("UNSET", lookup), std::nullopt);
  expect_error(Errc::Invalid, "invalid environment variable: '=x'",
               [] { parse_environment("=x", lookup); });
  expect_error(Errc::Invalid, "invalid environment variable",
               [] { parse_environment("", lookup); });
}

TEST(EnvironmentTest, FilesHaveCommentsAndNames) {
  const std::string file = "\xEF\xBB\xBF# comment\n\n  A=1 # not a comment\r\nSET\nUNSET\nB=";
  const std::vector<std::string> expected = {"A=1 # not a comment", "SET=value", "B="};
  EXPECT_EQ(parse_environment_file(file, "vars", lookup), expected);
  expect_error(Errc::Invalid, "reading 'vars': variable 'A B' contains whitespace",
               [] { parse_environment_file("A B=1\n", "vars", lookup); });
  expect_error(Errc::Invalid, "reading 'vars': invalid environment variable",
               [] { parse_environment_file("=1\n", "vars", lookup); });
}

TEST(ParseVolumeTest, ReadsBindsAndAnonymousVolumes) {
  const BindVolume bind{"/src", "/dst", MountAccess::ReadWrite};
  EXPECT_EQ(parse_volume("/src:/dst", "/cwd"), bind);
  EXPECT_EQ(parse_volume("//src/:/a/../dst/:rw", "/cwd"), bind);
  EXPECT_EQ(parse_volume("/src:/dst:ro", "/cwd").access, MountAccess::ReadOnly);
  EXPECT_EQ(parse_volume("./data:/dst", "/cwd").source, "/cwd/data");
  EXPECT_EQ(parse_volume("../data:/dst", "/a/b").source, "/a/data");
  EXPECT_EQ(parse_volume("/data", "/cwd"), (BindVolume{"", "/data", MountAccess::ReadWrite}));
  EXPECT_EQ(parse_volume("/src:/dst:ro", "/").str(), "/src:/dst:ro");
}

TEST(ParseVolumeTest, RefusesWhatItCannotDo) {
  expect_error(Errc::Unsupported, "named volumes are not supported",
               [] { parse_volume("data:/dst", "/"); });
  const auto invalid = [](const char* text, const char* message) {
    expect_error(Errc::Invalid, message, [&] { parse_volume(text, "/"); });
  };
  invalid("a/b:/dst", "the host path must be absolute");
  invalid("/src:dst", "must be absolute");
  invalid("/src:/", "can't be '/'");
  invalid("/src:/a/..", "can't be '/'");
  invalid("/src:/dst:rx", "invalid mode: 'rx'");
  invalid("/src::ro", "invalid volume specification");
  invalid("/a:/b:ro:x", "invalid volume specification");
  invalid("", "invalid volume specification");
  invalid("/src:/../x", "");
}

TEST(ParseTmpfsTest, DefaultsAreRestrictive) {
  const auto mount = tmpfs_mount(parse_tmpfs("/run"));
  EXPECT_EQ(mount.target, "/run");
  EXPECT_EQ(mount.attributes.set,
            std::uint64_t{MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC});
  EXPECT_EQ(mount.data, std::vector<std::string>{});
}

TEST(ParseTmpfsTest, OptionsBecomeFlagsAndData) {
  const auto mount = tmpfs_mount(parse_tmpfs("/run:rw,exec,size=64m,mode=1777,uid=5"));
  EXPECT_EQ(mount.attributes.set, std::uint64_t{MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV});
  EXPECT_EQ(mount.data, (std::vector<std::string>{"size=64m", "mode=1777", "uid=5"}));
  for (const char* text :
       {"/run:size", "/run:size=x", "/run:mode=9", "/run:lowerdir=/", "/run:,"}) {
    expect_error(Errc::Invalid, "invalid tmpfs option", [&] { parse_tmpfs(text); });
  }
}

TEST(ParseHostsTest, NamesAndAddressesAreChecked) {
  EXPECT_EQ(parse_extra_host("db:10.0.0.1"), "db:10.0.0.1");
  EXPECT_EQ(parse_extra_host("db:fe80::1"), "db:fe80::1");
  expect_error(Errc::Invalid, "invalid IP address: '300.1.1.1'",
               [] { parse_extra_host("db:300.1.1.1"); });
  expect_error(Errc::Invalid, "bad format for add-host", [] { parse_extra_host("db"); });
  expect_error(Errc::Invalid, "invalid hostname", [] { parse_hostname("a b"); });
  expect_error(Errc::Invalid, "invalid hostname", [] { parse_hostname("a\nb"); });
  expect_error(Errc::Invalid, "invalid hostname", [] { parse_hostname(std::string(64, 'a')); });
}

}  // namespace
}  // namespace layerkit
