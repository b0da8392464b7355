#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "expect_error.h"
#include "layerkit/imagetool/container_options.h"

namespace layerkit {
namespace {

using testing::expect_error;

Image image_with(const std::string& config) {
  return Image::parse(
      R"({"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]},"config":)" +
      config + "}");
}

using Words = std::vector<std::string>;

struct CommandCase {
  const char* image;
  std::optional<std::string> entrypoint;
  Words command;
  Words expected;
};

TEST(CommandLineTest, EntrypointAndCmdCombineAsDockers) {
  const CommandCase cases[] = {
      {R"({"Cmd":["sh"]})", {}, {}, {"sh"}},
      {R"({"Cmd":["sh"]})", {}, {"ls", "-l"}, {"ls", "-l"}},
      {R"({"Entrypoint":["e"],"Cmd":["c"]})", {}, {}, {"e", "c"}},
      {R"({"Entrypoint":["e"],"Cmd":["c"]})", {}, {"x"}, {"e", "x"}},
      {R"({"Entrypoint":["e","f"],"Cmd":null})", {}, {"x"}, {"e", "f", "x"}},
      {R"({"Entrypoint":["e"],"Cmd":["c"]})", "n", {}, {"n"}},
      {R"({"Entrypoint":["e"],"Cmd":["c"]})", "n", {"x", "y"}, {"n", "x", "y"}},
      {R"({"Entrypoint":["e"],"Cmd":["c"]})", "", {"x"}, {"x"}},
      {R"({"Entrypoint":null,"Cmd":["/bin/sh","-c","echo $A"]})",
       {},
       {},
       {"/bin/sh", "-c", "echo $A"}},
      {R"({"Entrypoint":[],"Cmd":["c"]})", {}, {}, {"c"}},
      {R"({"Entrypoint":"e","Cmd":"c"})", {}, {}, {"e", "c"}},
      {"null", {}, {"x"}, {"x"}},
      {"{}", "n", {}, {"n"}},
  };
  for (const auto& one : cases) {
    ConfigOverrides overrides;
    overrides.entrypoint = one.entrypoint;
    overrides.command = one.command;
    EXPECT_EQ(merge_config(image_with(one.image), overrides).command_line(), one.expected)
        << one.image;
  }
}

TEST(CommandLineTest, NothingToExecuteIsAnError) {
  const auto refused = [](const char* image, std::optional<std::string> entrypoint) {
    ConfigOverrides overrides;
    overrides.entrypoint = std::move(entrypoint);
    expect_error(Errc::Invalid, "no command specified",
                 [&] { merge_config(image_with(image), overrides); });
  };
  refused("null", {});
  refused("{}", {});
  refused(R"({"Entrypoint":["e"],"Cmd":["c"]})", "");
}

TEST(MergeConfigTest, TheCommandLineWins) {
  ConfigOverrides overrides;
  overrides.user = "app";
  overrides.working_dir = "/w";
  overrides.env = {"A=new", "C=3"};
  overrides.labels = {{"k", "new"}, {"l", "2"}};
  overrides.volumes = {"/v2"};
  const auto config =
      merge_config(image_with(R"({"Cmd":["c"],"User":"root","WorkingDir":"/","Env":["A=1","B=2"],
                     "Labels":{"k":"1"},"Volumes":{"/v1/":{}},"StopSignal":"SIGQUIT"})"),
                   overrides);
  EXPECT_EQ(config.user, "app");
  EXPECT_EQ(config.working_dir, "/w");
  EXPECT_EQ(config.env, (Words{"A=new", "B=2", "C=3"}));
  EXPECT_EQ(config.labels, (std::map<std::string, std::string>{{"k", "new"}, {"l", "2"}}));
  EXPECT_EQ(config.volumes, (Words{"/v1", "/v2"}));
  EXPECT_EQ(config.stop_signal, "SIGQUIT");
}

TEST(MergeConfigTest, BadValuesOfTheImageAreNamed) {
  const auto refused = [](const char* image, const char* message) {
    expect_error(Errc::Invalid, message, [&] { merge_config(image_with(image), {}); });
  };
  refused(R"({"Cmd":["c"],"WorkingDir":"relative"})", "needs to be an absolute path");
  refused(R"({"Cmd":["c"],"StopSignal":"NOPE"})", "invalid signal: 'NOPE'");
  refused(R"({"Cmd":["c"],"Volumes":{"/":{}}})", "can't be '/'");
}

TEST(ProcessEnvironmentTest, DefaultsComeFirst) {
  ContainerConfig config;
  config.hostname = "box";
  config.env = {"A=1"};
  const Words expected = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                          "HOSTNAME=box", "A=1", "HOME=/root"};
  EXPECT_EQ(process_environment(config, "/root"), expected);
}

TEST(ProcessEnvironmentTest, TheConfigReplacesAndRemovesDefaults) {
  ContainerConfig config;
  config.hostname = "box";
  config.env = {"PATH=/p", "HOSTNAME", "HOME=/h"};
  EXPECT_EQ(process_environment(config, "/root"), (Words{"PATH=/p", "HOME=/h"}));
}

TEST(HostOptionsTest, LimitsAreCheckedInDockersWords) {
  const auto refused = [](const char* message, const std::function<void(HostOptions&)>& set) {
    HostOptions options;
    set(options);
    expect_error(Errc::Invalid, message, [&] { check_options(options); });
  };
  refused("Minimum memory limit allowed is 6MB", [](auto& o) { o.memory = (6 << 20) - 1; });
  refused("You should always set the Memory limit", [](auto& o) { o.memory_swap = 1 << 30; });
  refused("should be larger than memory limit", [](auto& o) {
    o.memory = 1 << 30;
    o.memory_swap = 1 << 20;
  });
  refused("Range of CPUs is from 0.01", [](auto& o) { o.nano_cpus = 1; });
  refused("CPUs available", [](auto& o) { o.nano_cpus = INT64_C(1'000'000'000'000); });
  refused("Duplicate mount point: /x", [](auto& o) {
    o.binds = {{"/a", "/x", MountAccess::ReadWrite}};
    o.tmpfs = {{"/x", ""}};
  });
  refused("Minimum memory reservation allowed is 6MB", [](auto& o) { o.memory_reservation = 1; });
  refused("can not be less than memory reservation limit", [](auto& o) {
    o.memory = 8 << 20;
    o.memory_reservation = 9 << 20;
  });
  refused("valid memory swappiness range is 0-100", [](auto& o) { o.memory_swappiness = 101; });
  refused("CPU cfs period can not be less", [](auto& o) { o.cpu_period = 999; });
  refused("CPU cfs quota can not be less", [](auto& o) { o.cpu_quota = 999; });
  refused("Nano CPUs and CPU Period cannot both be set", [](auto& o) {
    o.nano_cpus = 500'000'000;
    o.cpu_period = 5000;
  });
  refused("Range of blkio weight", [](auto& o) { o.block_io.weight = 9; });
  refused("--shm-size and the host's IPC", [](auto& o) {
    o.ipc = NamespaceMode::Host;
    o.shm_size = 1;
  });
  HostOptions fine;
  fine.memory = 6 << 20;
  fine.memory_swap = -1;
  check_options(fine);
}

TEST(HostOptionsTest, SurviveTheRecord) {
  HostOptions options;
  options.binds = {{"/a", "/b", MountAccess::ReadOnly}};
  options.tmpfs = {{"/t", "size=1m"}};
  options.memory = 30 << 20;
  options.memory_swap = -1;
  options.nano_cpus = 500'000'000;
  options.cpu_shares = 512;
  options.pids_limit = 20;
  options.cap_add = {"CAP_SYS_TIME"};
  options.cap_drop = {"ALL"};
  options.extra_hosts = {"db:::1"};
  options.dns = {"10.0.0.1"};
  options.ulimits = {parse_ulimit("nofile=5:-1")};
  options.sysctls = {{"net.ipv4.ip_forward", "1"}};
  options.oom_score_adj = -5;
  options.cgroup_parent = "p";
  options.network = NetworkMode::Host;
  options.read_only_rootfs = options.security.no_new_privileges = options.auto_remove = true;
  options.memory_reservation = 20 << 20;
  options.memory_swappiness = 0;
  options.oom_kill_disable = options.init = options.privileged = true;
  options.cpu_period = 50'000;
  options.cpu_quota = -1;
  options.cpuset_cpus = "0-1";
  options.cpuset_mems = "0";
  options.block_io.weight = 500;
  options.block_io.weight_devices = {{"/dev/sda", 10}};
  options.block_io.read_bps = {{"/dev/sda", 1}};
  options.block_io.write_bps = {{"/dev/sda", 2}};
  options.block_io.read_iops = {{"/dev/sda", 3}};
  options.block_io.write_iops = {{"/dev/sda", 4}};
  options.devices = {{"/dev/null", "/dev/nil", "rw"}};
  options.device_cgroup_rules = {"c 1:3 r"};
  options.group_add = {"audio", "5"};
  options.shm_size = 1 << 20;
  options.pid = options.ipc = options.uts = options.cgroup = NamespaceMode::Host;
  options.userns = "host";
  options.security.seccomp = R"({"defaultAction":"SCMP_ACT_ALLOW"})";
  options.security.apparmor = "unconfined";
  options.security.label_disable = true;
  const auto json = to_json(options);
  const HostOptions copy = host_options_from_json(json);
  EXPECT_EQ(to_json(copy), json);
  EXPECT_EQ(copy.binds, options.binds);
  EXPECT_EQ(copy.ulimits[0].hard, options.ulimits[0].hard);
  EXPECT_EQ(copy.memory_swap, -1);
  EXPECT_TRUE(copy.security.no_new_privileges);
  EXPECT_EQ(copy.security.seccomp, options.security.seccomp);
  EXPECT_EQ(copy.devices, options.devices);
  EXPECT_EQ(copy.block_io.write_iops, options.block_io.write_iops);
  EXPECT_EQ(copy.memory_swappiness, 0U);
  EXPECT_EQ(json["SecurityOpt"][1], R"(seccomp={"defaultAction":"SCMP_ACT_ALLOW"})");
  EXPECT_TRUE(json["MaskedPaths"].empty());
}

TEST(HostOptionsTest, UnconfinedSystemPathsAreTheEmptyListsOfTheRecord) {
  HostOptions options;
  EXPECT_FALSE(to_json(options)["MaskedPaths"].empty());
  EXPECT_FALSE(host_options_from_json(to_json(options)).security.system_paths_unconfined);
  options.security.system_paths_unconfined = true;
  EXPECT_TRUE(to_json(options)["ReadonlyPaths"].empty());
  EXPECT_TRUE(host_options_from_json(to_json(options)).security.system_paths_unconfined);
}

TEST(HostOptionsTest, OldRecordsHaveNoneOfTheNewerMembers) {
  auto json = to_json(HostOptions());
  for (const char* member : {"Devices", "DeviceCgroupRules", "GroupAdd", "Init", "PidMode",
                             "IpcMode", "UTSMode", "CgroupnsMode", "UsernsMode", "MaskedPaths",
                             "ReadonlyPaths", "ShmSize", "MemorySwappiness", "BlkioDeviceReadBps"})
    json.erase(member);
  const HostOptions options = host_options_from_json(json);
  EXPECT_EQ(to_json(options), to_json(HostOptions()));
}

TEST(HostOptionsTest, ANamedNetworkAndItsPortsSurviveTheRecord) {
  HostOptions options;
  options.network = NetworkMode::Named;
  options.network_name = "lan";
  options.ports = {{"127.0.0.1", 8080, 80, "tcp"}, {"", 53, 53, "udp"}};
  check_options(options);
  const auto json = to_json(options);
  EXPECT_EQ(json["NetworkMode"], "lan");
  EXPECT_EQ(json["PortBindings"]["80/tcp"][0]["HostPort"], "8080");
  const HostOptions copy = host_options_from_json(json);
  EXPECT_EQ(to_json(copy), json);
  EXPECT_EQ(copy.network_name, "lan");
  options.network = NetworkMode::None;
  expect_error(Errc::Invalid, "port publishing and the network mode",
               [&] { check_options(options); });
}

}  // namespace
}  // namespace layerkit
