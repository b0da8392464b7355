#include "layerkit/runner/oci_config.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/resource.h>

#include <nlohmann/json.hpp>

#include "expect_error.h"

namespace layerkit {
namespace {

using nlohmann::json;
using testing::expect_error;

/// The smallest document that is whole.
json smallest() {
  return json::parse(R"({
    "ociVersion": "1.2.0",
    "root": {"path": "rootfs"},
    "process": {"args": ["sh"], "cwd": "/"},
    "linux": {"namespaces": [{"type": "mount"}]}
  })");
}

struct Read {
  OciConfig config;
  std::vector<std::string> warnings;
};

Read read(const json& document) {
  Read result;
  Context context;
  context.warn = [&](const std::string& line) { result.warnings.push_back(line); };
  result.config = read_oci_config(document.dump(), context);
  return result;
}

ContainerSpec spec_of(const json& document) {
  Read result = read(document);
  EXPECT_EQ(result.warnings, std::vector<std::string>{});
  return std::move(result.config.spec);
}

/// `value` at a JSON pointer of the smallest document.
json with(const std::string& pointer, const json& value) {
  json document = smallest();
  document[json::json_pointer(pointer)] = value;
  return document;
}

void expect_refused(Errc code, const std::string& message, const json& document) {
  expect_error(code, message, [&] { read_oci_config(document.dump(), Context{}); });
}

TEST(OciConfigTest, TheSmallestDocumentIsEnough) {
  const Read result = read(smallest());
  EXPECT_EQ(result.warnings, std::vector<std::string>{});
  EXPECT_EQ(result.config.oci_version, "1.2.0");
  EXPECT_EQ(result.config.root_path, "rootfs");
  const ContainerSpec& spec = result.config.spec;
  EXPECT_EQ(spec.process.args, std::vector<std::string>{"sh"});
  EXPECT_TRUE(spec.namespaces.mount.is_new());
  for (const Namespace* other :
       {&spec.namespaces.pid, &spec.namespaces.uts, &spec.namespaces.ipc, &spec.namespaces.network,
        &spec.namespaces.cgroup, &spec.namespaces.user, &spec.namespaces.time})
    EXPECT_EQ(other->from, Namespace::From::Caller);
}

TEST(OciConfigTest, WhatIsNeededIsNamedWhenItIsMissing) {
  for (const auto& [pointer, message] : {std::pair{"/ociVersion", "'ociVersion' is missing"},
                                         {"/root", "'root' is missing"},
                                         {"/root/path", "'root.path' is missing"},
                                         {"/process/args", "'process.args' is missing"},
                                         {"/process/cwd", "'process.cwd' is missing"},
                                         {"/linux", "'linux' is missing"}}) {
    const json patch = json::array({{{"op", "remove"}, {"path", pointer}}});
    expect_refused(Errc::Invalid, message, smallest().patch(patch));
  }
}

TEST(OciConfigTest, UnknownPropertiesAreToldAndLeftOut) {
  json document = smallest();
  document["novel"] = 1;
  document["linux"]["novel"] = {{"a", 1}};
  document["process"]["user"] = {{"uid", 5}, {"nick", "x"}};
  const Read result = read(document);
  EXPECT_EQ(result.warnings,
            (std::vector<std::string>{
                "reading config.json: 'process.user.nick' is not known and has no effect",
                "reading config.json: 'linux.novel' is not known and has no effect",
                "reading config.json: 'novel' is not known and has no effect"}));
  EXPECT_EQ(result.config.spec.process.uid, 5U);
}

TEST(OciConfigTest, OtherMajorVersionsAreRefused) {
  expect_refused(Errc::Invalid, "'2.0.0': this runner knows versions 1.x",
                 with("/ociVersion", "2.0.0"));
}

TEST(OciConfigTest, VersionsAreSemanticOnes) {
  for (const char* good : {"1.0.0", "1.2.10", "1.0.0-rc5", "1.0.2-dev", "1.1.0+build.5"})
    EXPECT_EQ(read(with("/ociVersion", good)).config.oci_version, good);
  for (const char* bad :
       {"1.", "1.0", "1.x.0", "1..0", "1.2.3.4", "1.0.0-", "1.0.0\n", "1.0.0 ", "1.0.0-a/b"})
    expect_refused(Errc::Invalid, "not a version such as 1.2.0", with("/ociVersion", bad));
}

TEST(OciConfigTest, TheProcess) {
  const ContainerSpec spec = spec_of(with("/process", json::parse(R"({
    "terminal": true, "consoleSize": {"height": 24, "width": 80},
    "user": {"uid": 1000, "gid": 100, "umask": 63, "additionalGids": [5, 6]},
    "args": ["a", "b"], "env": ["K=v"], "cwd": "/w",
    "rlimits": [{"type": "RLIMIT_CORE", "soft": 0, "hard": 18446744073709551615}],
    "noNewPrivileges": true, "oomScoreAdj": -5,
    "scheduler": {"policy": "SCHED_BATCH", "nice": 3, "flags": ["SCHED_FLAG_RESET_ON_FORK"]},
    "ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 4},
    "execCPUAffinity": {"initial": "0", "final": "0-1"},
    "apparmorProfile": "p", "selinuxLabel": "l"})")));
  const ProcessSpec& process = spec.process;
  EXPECT_TRUE(process.terminal);
  EXPECT_EQ(process.console_size->height, 24);
  EXPECT_EQ(process.console_size->width, 80);
  EXPECT_EQ(process.uid, 1000U);
  EXPECT_EQ(process.gid, 100U);
  EXPECT_EQ(process.umask, 077U);
  EXPECT_EQ(process.additional_gids, (std::vector<std::uint32_t>{5, 6}));
  EXPECT_EQ(process.rlimits.at(0).resource, RLIMIT_CORE);
  EXPECT_EQ(process.rlimits.at(0).hard, UINT64_MAX);
  EXPECT_TRUE(process.no_new_privileges);
  EXPECT_EQ(process.oom_score_adj, -5);
  EXPECT_EQ(process.scheduler->policy, static_cast<std::uint32_t>(SCHED_BATCH));
  EXPECT_EQ(process.scheduler->nice, 3);
  EXPECT_EQ(process.scheduler->flags, 1U);
  EXPECT_EQ(process.io_priority, 2 << 13 | 4);
  EXPECT_EQ(process.initial_cpu_affinity, "0");
  EXPECT_EQ(process.final_cpu_affinity, "0-1");
  EXPECT_EQ(process.apparmor_profile, "p");
  EXPECT_EQ(process.selinux_label, "l");
}

TEST(OciConfigTest, NonsenseInTheProcessIsRefusedByName) {
  for (const auto& [pointer, value, message] :
       {std::tuple{"/process/args", json::array(), "'process.args' is empty"},
        {"/process/args", json::array({1}), "'process.args[0]' is not a string"},
        {"/process/cwd", json("w"), "'process.cwd' is not an absolute path"},
        {"/process/user", json{{"uid", -1}}, "'process.user.uid' is negative"},
        {"/process/user", json{{"uid", 4294967296}}, "'process.user.uid' is out of range"},
        {"/process/user", json{{"umask", 512}}, "'process.user.umask' is not a umask"},
        {"/process/rlimits", json::array({{{"type", "RLIMIT_X"}, {"soft", 1}, {"hard", 1}}}),
         "'RLIMIT_X': not a word that is known here"},
        {"/process/rlimits", json::array({{{"type", "RLIMIT_CPU"}, {"soft", 2}, {"hard", 1}}}),
         "'process.rlimits[0]' has a soft limit above the hard one"},
        {"/process/scheduler", json{{"policy", "SCHED_X"}}, "'SCHED_X'"},
        {"/process/ioPriority", json{{"class", "IOPRIO_CLASS_BE"}, {"priority", 8}},
         "is not in 0..7"}})
    expect_refused(Errc::Invalid, message, with(pointer, value));
  json twice = smallest();
  const json limit = {{"type", "RLIMIT_CPU"}, {"soft", 1}, {"hard", 1}};
  twice["process"]["rlimits"] = {limit, limit};
  expect_refused(Errc::Invalid, "'process.rlimits[1].type' is there twice", twice);
}

TEST(OciConfigTest, CapabilitiesThatCannotBeGrantedAreTold) {
  const Read result =
      read(with("/process/capabilities", json{{"bounding", {"CAP_CHOWN", "CAP_NONSENSE"}},
                                              {"effective", {"CAP_NONSENSE"}},
                                              {"ambient", {"CAP_CHOWN"}}}));
  const auto told = [&](const std::string& text) {
    return std::count(result.warnings.begin(), result.warnings.end(), text);
  };
  EXPECT_EQ(told("capability 'CAP_NONSENSE' is left out: unknown, or this process does not have it "
                 "itself"),
            1);
  EXPECT_TRUE(result.config.spec.process.capabilities.effective.empty());
}

/// Looked up in lists, they would take minutes.
TEST(OciConfigTest, AsManyCapabilitiesAsADocumentHoldsAreReadOnce) {
  json unknown = json::array();
  for (int i = 0; i < 190'000; ++i)
    unknown.push_back("CAP_" + std::to_string(i));
  EXPECT_EQ(read(with("/process/capabilities/bounding", unknown)).warnings.size(), 190'000U);
  json document = with("/process/capabilities/permitted", json(60'000, "CAP_CHOWN"));
  document["process"]["capabilities"]["inheritable"] = json(60'000, "CAP_KILL");
  document["process"]["capabilities"]["ambient"] = json(60'000, "CAP_KILL");
  const Read result = read(document);
  EXPECT_EQ(result.config.spec.process.capabilities.permitted,
            std::vector<std::string>{"CAP_CHOWN"});
  EXPECT_EQ(result.warnings, std::vector<std::string>{"can't raise ambient capability CAP_KILL: it "
                                                      "is not both permitted and inheritable"});
}

TEST(OciConfigTest, WhatCannotBeAmbientIsToldAndLeftOut) {
  const Read result = read(with(
      "/process/capabilities",
      json{{"bounding", {"CAP_CHOWN"}}, {"permitted", {"CAP_CHOWN"}}, {"ambient", {"CAP_CHOWN"}}}));
  EXPECT_TRUE(result.config.spec.process.capabilities.ambient.empty());
  ASSERT_FALSE(result.warnings.empty());
}

TEST(OciConfigTest, NamespacesAreNewOrJoined) {
  const ContainerSpec spec = spec_of(
      with("/linux/namespaces", json::parse(R"([{"type": "mount"}, {"type": "pid", "path": "/p"},
                                           {"type": "time"}, {"type": "user"}])")));
  EXPECT_TRUE(spec.namespaces.mount.is_new());
  EXPECT_TRUE(spec.namespaces.pid.is_joined());
  EXPECT_EQ(spec.namespaces.pid.path, "/p");
  EXPECT_TRUE(spec.namespaces.time.is_new());
  EXPECT_TRUE(spec.namespaces.user.is_new());
  EXPECT_EQ(spec.namespaces.network.from, Namespace::From::Caller);
}

TEST(OciConfigTest, NamespacesThatCannotBeMeantAreRefused) {
  for (const auto& [list, message] :
       {std::pair{R"([{"type": "mount"}, {"type": "net"}])", "'net': no such namespace"},
        {R"([{"type": "mount"}, {"type": "mount"}])", "'linux.namespaces[1].type' is there twice"},
        {R"([{"type": "mount"}, {"type": "pid", "path": "p"}])", "is not an absolute path"}})
    expect_refused(Errc::Invalid, message, with("/linux/namespaces", json::parse(list)));
}

ContainerMount mount_of(const json& mount) {
  return std::move(spec_of(with("/mounts", json::array({mount}))).mounts.at(0));
}

TEST(OciMountTest, WordsBecomeAttributesAndTheRestIsForTheFilesystem) {
  const ContainerMount mount = mount_of(
      {{"destination", "/t"},
       {"type", "tmpfs"},
       {"source", "tmpfs"},
       {"options", {"nosuid", "noexec", "exec", "strictatime", "mode=755", "size=65536k"}}});
  EXPECT_EQ(mount.attributes.set, std::uint64_t{MOUNT_ATTR_NOSUID | MOUNT_ATTR_STRICTATIME});
  EXPECT_EQ(mount.attributes.clear, std::uint64_t{MOUNT_ATTR_NOEXEC | MOUNT_ATTR__ATIME});
  EXPECT_EQ(mount.data, (std::vector<std::string>{"mode=755", "size=65536k"}));
}

TEST(OciMountTest, BindsAreKnownByTypeOrWord) {
  for (const json& bind :
       {json{{"destination", "/d"}, {"type", "bind"}, {"source", "/s"}},
        json{{"destination", "/d"}, {"source", "/s"}},
        json{{"destination", "/d"}, {"type", "none"}, {"source", "/s"}, {"options", {"bind"}}}}) {
    const ContainerMount mount = mount_of(bind);
    EXPECT_EQ(mount.type, "bind");
    EXPECT_FALSE(mount.recursive);
  }
  const ContainerMount recursive =
      mount_of({{"destination", "d"}, {"source", "/s"}, {"options", {"rbind", "rro", "rslave"}}});
  EXPECT_EQ(recursive.target, "/d");
  EXPECT_TRUE(recursive.recursive);
  EXPECT_EQ(recursive.attributes.set, 0U);
  EXPECT_EQ(recursive.recursive_attributes.set, std::uint64_t{MOUNT_ATTR_RDONLY});
  EXPECT_EQ(recursive.propagation, static_cast<unsigned long>(MS_SLAVE | MS_REC));
}

TEST(OciMountTest, IdMappedBinds) {
  const json mapping = json::array({{{"containerID", 0}, {"hostID", 1000}, {"size", 10}}});
  const ContainerMount mount = mount_of({{"destination", "/d"},
                                         {"source", "/s"},
                                         {"options", {"ridmap"}},
                                         {"uidMappings", mapping},
                                         {"gidMappings", mapping}});
  EXPECT_TRUE(mount.is_id_mapped);
  EXPECT_TRUE(mount.maps_recursively);
  EXPECT_EQ(mount.uid_mappings.at(0).host_id, 1000U);
  expect_refused(
      Errc::Invalid, "'mounts[0]' has mappings of users or of groups alone",
      with("/mounts",
           json::array({{{"destination", "/d"}, {"source", "/s"}, {"uidMappings", mapping}}})));
}

TEST(OciMountTest, OptionsWithoutEffectAreRefusedByName) {
  const auto bind = [](const char* option) {
    return with(
        "/mounts",
        json::array(
            {{{"destination", "/d"}, {"type", "bind"}, {"source", "/s"}, {"options", {option}}}}));
  };
  for (const char* option : {"sync", "nonsense", "remount", "tmpcopyup"})
    expect_refused(Errc::Unsupported,
                   std::string("reading the mount on '/d': option '") + option + "'", bind(option));
  expect_refused(Errc::Invalid, "'mounts[0]' is a bind mount without source",
                 with("/mounts", json::array({{{"destination", "/d"}, {"type", "bind"}}})));
}

TEST(OciConfigTest, TheLinuxPart) {
  json document = smallest();
  document["linux"].update(json::parse(R"({
    "devices": [{"path": "/dev/x", "type": "u", "major": 1, "minor": 3, "fileMode": 33188,
                 "uid": 1, "gid": 2}, {"path": "/dev/pipe", "type": "p"}],
    "cgroupsPath": "/a/b", "sysctl": {"net.core.somaxconn": "256"},
    "rootfsPropagation": "rslave", "maskedPaths": ["/m"], "readonlyPaths": ["/r"],
    "personality": {"domain": "LINUX32"}, "mountLabel": "label",
    "timeOffsets": {"monotonic": {"secs": 5}, "boottime": {"secs": -1, "nanosecs": 7}}})"));
  const ContainerSpec spec = spec_of(document);
  EXPECT_EQ(spec.devices.at(0).type, 'c');
  EXPECT_EQ(spec.devices.at(0).mode, 0644U);
  EXPECT_EQ(spec.devices.at(0).gid, 2U);
  EXPECT_EQ(spec.devices.at(1).type, 'p');
  EXPECT_EQ(spec.cgroups_path, "/a/b");
  EXPECT_EQ(spec.sysctls.at("net.core.somaxconn"), "256");
  EXPECT_EQ(spec.rootfs_propagation, static_cast<unsigned long>(MS_SLAVE | MS_REC));
  EXPECT_EQ(spec.masked_paths, std::vector<std::string>{"/m"});
  EXPECT_EQ(spec.read_only_paths, std::vector<std::string>{"/r"});
  EXPECT_EQ(spec.personality, static_cast<unsigned long>(PER_LINUX32));
  EXPECT_EQ(spec.mount_label, "label");
  EXPECT_EQ(spec.monotonic_offset->secs, 5);
  EXPECT_EQ(spec.boottime_offset->nanosecs, 7U);
}

TEST(OciConfigTest, WhatThisRunnerDoesNotDoIsRefusedByName) {
  for (const char* key : {"intelRdt", "netDevices"})
    expect_refused(Errc::Unsupported, "'linux." + std::string(key) + "' is not supported",
                   with("/linux/" + std::string(key), json{{"x", 1}}));
  for (const auto& [pointer, value, message] :
       {std::tuple{"/linux/rootfsPropagation", json("sideways"), "'sideways': no propagation"},
        {"/linux/personality", json{{"domain", "HPUX"}}, "'HPUX': neither LINUX nor LINUX32"},
        {"/linux/timeOffsets", json{{"realtime", {{"secs", 1}}}},
         "'linux.timeOffsets.realtime' is of a clock that has no offset"},
        {"/linux/maskedPaths", json::array({"m"}), "'linux.maskedPaths[0]' is not an absolute"},
        {"/linux/devices", json::array({{{"path", "/d"}, {"type", "z"}}}), "'z': no type of"}})
    expect_refused(Errc::Invalid, message, with(pointer, value));
}

TEST(OciConfigTest, Resources) {
  const Resources resources = spec_of(with("/linux/resources", json::parse(R"({
    "memory": {"limit": 1000, "swap": -1, "reservation": 500, "swappiness": 10,
               "disableOOMKiller": true, "useHierarchy": true},
    "cpu": {"shares": 0, "quota": -1, "period": 1000, "burst": 5, "cpus": "0-1", "idle": 1},
    "pids": {"limit": 7},
    "blockIO": {"weight": 10, "weightDevice": [{"major": 8, "minor": 0, "weight": 5}],
                "throttleReadBpsDevice": [{"major": 8, "minor": 1, "rate": 99}]},
    "hugepageLimits": [{"pageSize": "2MB", "limit": 9}],
    "network": {"classID": 3, "priorities": [{"name": "eth0", "priority": 4}]},
    "rdma": {"mlx": {"hcaHandles": 1}}, "unified": {"memory.high": "5"},
    "devices": [{"allow": false, "access": "rwm"},
                {"allow": true, "type": "c", "major": 10, "minor": -1, "access": "rw"}]})")))
                                  .resources;
  EXPECT_EQ(resources.memory.limit, 1000);
  EXPECT_EQ(resources.memory.swap, -1);
  EXPECT_EQ(resources.memory.disable_oom_killer, true);
  EXPECT_EQ(resources.cpu.shares, std::nullopt);
  EXPECT_EQ(resources.cpu.quota, -1);
  EXPECT_EQ(resources.cpu.burst, 5U);
  EXPECT_EQ(resources.cpu.cpus, "0-1");
  EXPECT_EQ(resources.cpu.idle, 1);
  EXPECT_EQ(resources.pids_limit, 7);
  EXPECT_EQ(resources.block_io.weight_devices.at(0).weight, 5);
  EXPECT_EQ(resources.block_io.read_bps.at(0).rate, 99U);
  EXPECT_EQ(resources.hugepages.at(0).page_size, "2MB");
  EXPECT_EQ(resources.network.priorities.at(0).name, "eth0");
  EXPECT_EQ(resources.rdma.at("mlx").handles, 1U);
  EXPECT_EQ(resources.unified.at("memory.high"), "5");
  EXPECT_FALSE(resources.devices.at(0).allow);
  EXPECT_EQ(resources.devices.at(1).major, 10);
  EXPECT_EQ(resources.devices.at(1).minor, std::nullopt);
}

TEST(OciConfigTest, SeccompHooksAndAnnotations) {
  json document = smallest();
  document["annotations"] = {{"k", "v"}};
  document["hooks"] = json::parse(R"({
    "createRuntime": [{"path": "/h", "args": ["h", "x"], "env": ["A=b"], "timeout": 5}],
    "poststop": [{"path": "/p"}]})");
  document["linux"]["seccomp"] = json::parse(R"({
    "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38,
    "architectures": ["SCMP_ARCH_X86_64"], "flags": ["SECCOMP_FILTER_FLAG_LOG"],
    "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ALLOW",
                  "args": [{"index": 1, "value": 18446744073709551615, "op": "SCMP_CMP_EQ"}]}]})");
  const ContainerSpec spec = spec_of(document);
  EXPECT_EQ(spec.annotations.at("k"), "v");
  EXPECT_EQ(spec.hooks.create_runtime.at(0).args, (std::vector<std::string>{"h", "x"}));
  EXPECT_EQ(spec.hooks.create_runtime.at(0).timeout, 5U);
  EXPECT_EQ(spec.hooks.poststop.at(0).path, "/p");
  EXPECT_EQ(spec.seccomp->default_errno_ret, 38U);
  EXPECT_EQ(spec.seccomp->syscalls.at(0).args.at(0).value, UINT64_MAX);
}

TEST(OciConfigTest, HooksThatCannotRunAreRefused) {
  const auto hook = [](const json& value) {
    return with("/hooks", json{{"prestart", json::array({value})}});
  };
  expect_refused(Errc::Invalid, "'hooks.prestart[0].path' is not an absolute path",
                 hook({{"path", "h"}}));
  expect_refused(Errc::Invalid, "'hooks.prestart[0].timeout' is not above 0",
                 hook({{"path", "/h"}, {"timeout", 0}}));
  expect_refused(Errc::Invalid, "'hooks.prestart[0].timeout' is negative",
                 hook({{"path", "/h"}, {"timeout", -1}}));
}

TEST(OciConfigTest, APartMayComeAlone) {
  const ProcessSpec process = read_oci_process(R"({"args": ["ls"], "cwd": "/x"})", Context{});
  EXPECT_EQ(process.cwd, "/x");
  const Resources resources = read_oci_resources(R"({"pids": {"limit": -1}})", Context{});
  EXPECT_EQ(resources.pids_limit, -1);
  expect_error(Errc::Invalid, "reading the process: 'args' is missing",
               [] { read_oci_process(R"({"cwd": "/"})", Context{}); });
}

}  // namespace
}  // namespace layerkit
