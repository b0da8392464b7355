#include <nlohmann/json.hpp>

#include "layerkit/base/error.h"
#include "layerkit/base/strict_json.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/container_options.h"
#include "layerkit/runner/container_spec.h"

namespace layerkit {
namespace {

using nlohmann::json;

/// Limits are numbers in docker's HostConfig, 0 meaning none.
template <typename Number>
Number number_or_zero(const std::optional<Number>& value) {
  return value.value_or(Number{0});
}

template <typename Number>
std::optional<Number> number_unless_zero(const JsonView& view, std::string_view key) {
  const auto value = view.find(key);
  if (!value || value->number() == 0) return std::nullopt;
  return static_cast<Number>(value->number());
}

std::vector<std::string> strings_of(const JsonView& view, std::string_view key) {
  const auto list = view.find(key);
  return list ? list->strings() : std::vector<std::string>();
}

bool boolean_of(const JsonView& view, std::string_view key) {
  const auto value = view.find(key);
  return value && value->boolean();
}

json ulimits_json(const std::vector<Rlimit>& ulimits) {
  auto list = json::array();
  for (const auto& limit : ulimits) {
    list.push_back({{"Name", ulimit_name(limit.resource)},
                    {"Soft", static_cast<std::int64_t>(limit.soft)},
                    {"Hard", static_cast<std::int64_t>(limit.hard)}});
  }
  return list;
}

json devices_json(const std::vector<DeviceMapping>& devices) {
  auto list = json::array();
  for (const auto& device : devices) {
    list.push_back({{"PathOnHost", device.host},
                    {"PathInContainer", device.container},
                    {"CgroupPermissions", device.access}});
  }
  return list;
}

json device_limits_json(const std::vector<DeviceLimit>& limits, const char* key) {
  auto list = json::array();
  for (const auto& limit : limits)
    list.push_back({{"Path", limit.path}, {key, limit.value}});
  return list;
}

void read_device_limits(const JsonView& view,
                        std::string_view member,
                        std::string_view key,
                        std::vector<DeviceLimit>& limits) {
  const auto list = view.find(member);
  if (!list) return;
  for (const auto& limit : list->items())
    limits.push_back({limit.at("Path").string(), limit.at(key).unsigned_number()});
}

std::string network_word(const HostOptions& options) {
  switch (options.network) {
    case NetworkMode::Host:
      return "host";
    case NetworkMode::Named:
      return options.network_name;
    case NetworkMode::None:
      break;
  }
  return "none";
}

json ports_json(const std::vector<PortMapping>& ports) {
  auto bindings = json::object();
  for (const auto& port : ports) {
    bindings[fmt::format("{}/{}", port.container_port, port.protocol)].push_back(
        {{"HostIp", port.host_ip}, {"HostPort", std::to_string(port.host_port)}});
  }
  return bindings;
}

std::uint16_t port_of(const JsonView& view, std::string_view text) {
  const auto number = parse_decimal(text);
  if (!number || *number > UINT16_MAX) view.refuse("is not a port");
  return static_cast<std::uint16_t>(*number);
}

void read_network(const JsonView& view, HostOptions& options) {
  const std::string& word = view.at("NetworkMode").string();
  if (word == "host") {
    options.network = NetworkMode::Host;
  } else if (word != "none") {
    options.network = NetworkMode::Named;
    options.network_name = word;
  }
  const auto bindings = view.find("PortBindings");
  if (!bindings) return;
  for (const auto& [inside, list] : bindings->members()) {
    const auto parts = split(inside, '/');
    if (parts.size() != 2) list.refuse("is not a port with its protocol");
    for (const auto& binding : list.items()) {
      options.ports.push_back({binding.at("HostIp").string(),
                               port_of(list, binding.at("HostPort").string()),
                               port_of(list, parts[0]), std::string(parts[1])});
    }
  }
}

const char* mode_word(NamespaceMode mode, const char* word_of_private) {
  return mode == NamespaceMode::Host ? "host" : word_of_private;
}

NamespaceMode mode_of(const JsonView& view, std::string_view key) {
  return view.string_or(key, "") == "host" ? NamespaceMode::Host : NamespaceMode::Private;
}

void add_limits(json& document, const HostOptions& options) {
  const BlockIoOptions& block_io = options.block_io;
  document.update({{"Memory", number_or_zero(options.memory)},
                   {"MemorySwap", number_or_zero(options.memory_swap)},
                   {"MemoryReservation", number_or_zero(options.memory_reservation)},
                   {"NanoCpus", number_or_zero(options.nano_cpus)},
                   {"CpuShares", number_or_zero(options.cpu_shares)},
                   {"CpuPeriod", number_or_zero(options.cpu_period)},
                   {"CpuQuota", number_or_zero(options.cpu_quota)},
                   {"CpusetCpus", options.cpuset_cpus},
                   {"CpusetMems", options.cpuset_mems},
                   {"PidsLimit", number_or_zero(options.pids_limit)},
                   {"BlkioWeight", number_or_zero(block_io.weight)},
                   {"BlkioWeightDevice", device_limits_json(block_io.weight_devices, "Weight")},
                   {"BlkioDeviceReadBps", device_limits_json(block_io.read_bps, "Rate")},
                   {"BlkioDeviceWriteBps", device_limits_json(block_io.write_bps, "Rate")},
                   {"BlkioDeviceReadIOps", device_limits_json(block_io.read_iops, "Rate")},
                   {"BlkioDeviceWriteIOps", device_limits_json(block_io.write_iops, "Rate")},
                   {"OomKillDisable", options.oom_kill_disable},
                   {"OomScoreAdj", options.oom_score_adj.value_or(0)},
                   {"Ulimits", ulimits_json(options.ulimits)},
                   {"ShmSize", number_or_zero(options.shm_size)}});
  // 0 is a value of its own here.
  document["MemorySwappiness"] =
      options.memory_swappiness ? json(*options.memory_swappiness) : json();
}

void read_limits(const JsonView& view, HostOptions& options) {
  options.memory = number_unless_zero<std::uint64_t>(view, "Memory");
  options.memory_swap = number_unless_zero<std::int64_t>(view, "MemorySwap");
  options.memory_reservation = number_unless_zero<std::uint64_t>(view, "MemoryReservation");
  if (const auto swappiness = view.find("MemorySwappiness"))
    options.memory_swappiness = swappiness->unsigned_number();
  options.nano_cpus = number_unless_zero<std::int64_t>(view, "NanoCpus");
  options.cpu_shares = number_unless_zero<std::uint64_t>(view, "CpuShares");
  options.cpu_period = number_unless_zero<std::uint64_t>(view, "CpuPeriod");
  options.cpu_quota = number_unless_zero<std::int64_t>(view, "CpuQuota");
  options.cpuset_cpus = view.string_or("CpusetCpus", "");
  options.cpuset_mems = view.string_or("CpusetMems", "");
  options.pids_limit = number_unless_zero<std::uint64_t>(view, "PidsLimit");
  BlockIoOptions& block_io = options.block_io;
  block_io.weight = number_unless_zero<std::uint16_t>(view, "BlkioWeight");
  read_device_limits(view, "BlkioWeightDevice", "Weight", block_io.weight_devices);
  read_device_limits(view, "BlkioDeviceReadBps", "Rate", block_io.read_bps);
  read_device_limits(view, "BlkioDeviceWriteBps", "Rate", block_io.write_bps);
  read_device_limits(view, "BlkioDeviceReadIOps", "Rate", block_io.read_iops);
  read_device_limits(view, "BlkioDeviceWriteIOps", "Rate", block_io.write_iops);
  options.oom_kill_disable = boolean_of(view, "OomKillDisable");
  options.oom_score_adj = number_unless_zero<int>(view, "OomScoreAdj");
  options.shm_size = number_unless_zero<std::uint64_t>(view, "ShmSize");
  for (const auto& limit : view.at("Ulimits").items()) {
    options.ulimits.push_back(
        parse_ulimit(fmt::format("{}={}:{}", limit.at("Name").string(), limit.at("Soft").number(),
                                 limit.at("Hard").number())));
  }
}

void add_isolation(json& document, const HostOptions& options) {
  const bool is_open = options.privileged || options.security.system_paths_unconfined;
  using Paths = std::vector<std::string>;
  document.update({{"CapAdd", options.cap_add},
                   {"CapDrop", options.cap_drop},
                   {"Devices", devices_json(options.devices)},
                   {"DeviceCgroupRules", options.device_cgroup_rules},
                   {"GroupAdd", options.group_add},
                   {"PidMode", mode_word(options.pid, "")},
                   {"IpcMode", mode_word(options.ipc, "private")},
                   {"UTSMode", mode_word(options.uts, "")},
                   {"CgroupnsMode", mode_word(options.cgroup, "private")},
                   {"UsernsMode", options.userns},
                   {"SecurityOpt", security_option_words(options.security)},
                   {"MaskedPaths", is_open ? Paths() : default_masked_paths()},
                   {"ReadonlyPaths", is_open ? Paths() : default_read_only_paths()},
                   {"ReadonlyRootfs", options.read_only_rootfs},
                   {"Privileged", options.privileged}});
}

void read_isolation(const JsonView& view, HostOptions& options) {
  options.cap_add = strings_of(view, "CapAdd");
  options.cap_drop = strings_of(view, "CapDrop");
  if (const auto devices = view.find("Devices")) {
    for (const auto& device : devices->items()) {
      options.devices.push_back({device.at("PathOnHost").string(),
                                 device.at("PathInContainer").string(),
                                 device.at("CgroupPermissions").string()});
    }
  }
  options.device_cgroup_rules = strings_of(view, "DeviceCgroupRules");
  options.group_add = strings_of(view, "GroupAdd");
  options.pid = mode_of(view, "PidMode");
  options.ipc = mode_of(view, "IpcMode");
  options.uts = mode_of(view, "UTSMode");
  options.cgroup = mode_of(view, "CgroupnsMode");
  options.userns = view.string_or("UsernsMode", "");
  for (const auto& word : strings_of(view, "SecurityOpt"))
    parse_security_option(word, options.security);
  options.read_only_rootfs = view.at("ReadonlyRootfs").boolean();
  options.privileged = boolean_of(view, "Privileged");
  const auto masked = view.find("MaskedPaths");
  options.security.system_paths_unconfined =
      !options.privileged && masked && masked->items().empty();
}

}  // namespace

json to_json(const HostOptions& options) {
  auto binds = json::array();
  for (const auto& bind : options.binds)
    binds.push_back(bind.str());
  auto tmpfs = json::object();
  for (const auto& mount : options.tmpfs)
    tmpfs[mount.destination] = mount.options;
  json document = {{"Binds", binds},
                   {"Tmpfs", tmpfs},
                   {"ExtraHosts", options.extra_hosts},
                   {"Dns", options.dns},
                   {"Sysctls", options.sysctls},
                   {"CgroupParent", options.cgroup_parent},
                   {"NetworkMode", network_word(options)},
                   {"PortBindings", ports_json(options.ports)},
                   {"Init", options.init},
                   {"RestartPolicy", {{"Name", "no"}, {"MaximumRetryCount", 0}}},
                   {"AutoRemove", options.auto_remove}};
  add_limits(document, options);
  add_isolation(document, options);
  return document;
}

HostOptions host_options_from_json(const json& document) {
  const JsonView view(document, "container options");
  HostOptions options;
  for (const auto& bind : strings_of(view, "Binds"))
    options.binds.push_back(parse_volume(bind, "/"));
  for (const auto& [target, mount] : view.at("Tmpfs").members())
    options.tmpfs.push_back({target, mount.string()});
  options.extra_hosts = strings_of(view, "ExtraHosts");
  options.dns = strings_of(view, "Dns");
  for (const auto& [key, value] : view.at("Sysctls").members())
    options.sysctls[key] = value.string();
  options.cgroup_parent = view.at("CgroupParent").string();
  read_network(view, options);
  options.init = boolean_of(view, "Init");
  options.auto_remove = view.at("AutoRemove").boolean();
  read_limits(view, options);
  read_isolation(view, options);
  return options;
}

}  // namespace layerkit
