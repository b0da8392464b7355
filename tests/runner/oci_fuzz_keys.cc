#include "oci_fuzz_keys.h"

#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

namespace layerkit::testing {
namespace {

using nlohmann::json;
using Keys = std::set<std::string, std::less<>>;

constexpr std::string_view kMapping = "containerID hostID size";
constexpr std::string_view kThrottle = "major minor rate";
constexpr std::string_view kHook = "path args env timeout";
constexpr std::string_view kOffset = "secs nanosecs";

Keys split_keys(std::string_view words) {
  Keys keys;
  while (!words.empty()) {
    const std::size_t end = std::min(words.find(' '), words.size());
    keys.emplace(words.substr(0, end));
    words.remove_prefix(std::min(end + 1, words.size()));
  }
  return keys;
}

/// The objects of config.json with their members (config.md, config-linux.md); "*" is any member,
/// "[]" any item. Objects that are not here have members of free names.
const std::map<std::string, Keys, std::less<>>& schema() {
  static const std::map<std::string, Keys, std::less<>> all = [] {
    std::map<std::string, Keys, std::less<>> made;
    const auto add = [&](std::string_view path, std::string_view keys) {
      made.emplace(path, split_keys(keys));
    };
    add("", "ociVersion root process hostname domainname mounts hooks annotations linux");
    add("root", "path readonly");
    add("process",
        "terminal consoleSize user args env cwd commandLine capabilities rlimits noNewPrivileges "
        "oomScoreAdj scheduler ioPriority execCPUAffinity apparmorProfile selinuxLabel");
    add("process.consoleSize", "height width");
    add("process.user", "uid gid umask additionalGids username");
    add("process.capabilities", "bounding effective permitted inheritable ambient");
    add("process.rlimits[]", "type soft hard");
    add("process.scheduler", "policy nice priority flags runtime deadline period");
    add("process.ioPriority", "class priority");
    add("process.execCPUAffinity", "initial final");
    add("mounts[]", "destination type source options uidMappings gidMappings");
    add("mounts[].uidMappings[]", kMapping);
    add("mounts[].gidMappings[]", kMapping);
    add("hooks", "prestart createRuntime createContainer startContainer poststart poststop");
    for (const std::string& kind :
         split_keys("prestart createRuntime createContainer startContainer poststart poststop"))
      add("hooks." + kind + "[]", kHook);
    add("linux",
        "namespaces uidMappings gidMappings timeOffsets devices cgroupsPath resources sysctl "
        "seccomp rootfsPropagation maskedPaths readonlyPaths mountLabel personality memoryPolicy "
        "intelRdt netDevices");
    add("linux.namespaces[]", "type path");
    add("linux.uidMappings[]", kMapping);
    add("linux.gidMappings[]", kMapping);
    add("linux.timeOffsets.*", kOffset);
    add("linux.devices[]", "path type major minor fileMode uid gid");
    add("linux.personality", "domain flags");
    add("linux.memoryPolicy", "mode nodes flags");
    add("linux.resources", "memory cpu pids blockIO hugepageLimits network rdma unified devices");
    add("linux.resources.memory",
        "limit reservation swap kernel kernelTCP swappiness disableOOMKiller checkBeforeUpdate "
        "useHierarchy");
    add("linux.resources.cpu",
        "shares quota burst period realtimeRuntime realtimePeriod cpus mems idle");
    add("linux.resources.pids", "limit");
    add("linux.resources.blockIO",
        "weight leafWeight weightDevice throttleReadBpsDevice throttleWriteBpsDevice "
        "throttleReadIOPSDevice throttleWriteIOPSDevice");
    add("linux.resources.blockIO.weightDevice[]", "major minor weight leafWeight");
    for (const std::string& kind : split_keys("ReadBps WriteBps ReadIOPS WriteIOPS"))
      add("linux.resources.blockIO.throttle" + kind + "Device[]", kThrottle);
    add("linux.resources.hugepageLimits[]", "pageSize limit");
    add("linux.resources.network", "classID priorities");
    add("linux.resources.network.priorities[]", "name priority");
    add("linux.resources.rdma.*", "hcaHandles hcaObjects");
    add("linux.resources.devices[]", "allow type major minor access");
    add("linux.seccomp",
        "defaultAction defaultErrnoRet architectures flags listenerPath listenerMetadata syscalls");
    add("linux.seccomp.syscalls[]", "names action errnoRet args");
    add("linux.seccomp.syscalls[].args[]", "index value valueTwo op");
    return made;
  }();
  return all;
}

std::size_t count(const json& value, const std::string& path);

std::size_t count_members(const json& object, const std::string& path) {
  const auto known = schema().find(path);
  const bool has_free_names = known == schema().end();
  std::size_t found = 0;
  for (const auto& [key, member] : object.items()) {
    if (has_free_names) {
      found += count(member, path + ".*");
    } else if (known->second.contains(key)) {
      found += count(member, path.empty() ? key : path + "." + key);
    } else {
      ++found;
    }
  }
  return found;
}

std::size_t count(const json& value, const std::string& path) {
  if (value.is_object()) return count_members(value, path);
  std::size_t found = 0;
  if (value.is_array())
    for (const json& item : value)
      found += count(item, path + "[]");
  return found;
}

}  // namespace

std::size_t unknown_keys(const json& document, std::string_view root) {
  return count(document, std::string(root));
}

}  // namespace layerkit::testing
