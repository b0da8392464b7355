#include "layerkit/imagetool/container_options.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "layerkit/base/error.h"
#include "layerkit/base/strict_json.h"
#include "layerkit/base/text.h"

namespace layerkit {
namespace {

void check_memory(const HostOptions& options) {
  constexpr std::uint64_t kMinimum = 6 << 20;
  if (options.memory && *options.memory < kMinimum) {
    fail(Errc::Invalid, "Minimum memory limit allowed is 6MB");
  }
  if (!options.memory_swap) return;
  if (!options.memory) {
    fail(Errc::Invalid,
         "You should always set the Memory limit when using Memoryswap limit, see usage");
  }
  if (*options.memory_swap != -1 &&
      static_cast<std::uint64_t>(*options.memory_swap) < *options.memory) {
    fail(Errc::Invalid, "Minimum memoryswap limit should be larger than memory limit, see usage");
  }
}

void check_cpus(const HostOptions& options) {
  if (!options.nano_cpus) return;
  const auto available = std::max(1U, std::thread::hardware_concurrency());
  if (*options.nano_cpus < 10'000'000 || *options.nano_cpus > available * INT64_C(1'000'000'000)) {
    fail(Errc::Invalid,
         "Range of CPUs is from 0.01 to {0}.00, as there are only {0} CPUs available", available);
  }
}

void check_mount_points(const HostOptions& options) {
  std::set<std::string> targets;
  const auto take = [&](const std::string& target) {
    if (!targets.insert(target).second) fail(Errc::Invalid, "Duplicate mount point: {}", target);
  };
  for (const auto& bind : options.binds)
    take(bind.destination);
  for (const auto& tmpfs : options.tmpfs)
    take(tmpfs.destination);
}

/// Limits are numbers in docker's HostConfig, 0 meaning none.
template <typename Number>
Number number_or_zero(const std::optional<Number>& value) {
  return value.value_or(Number{0});
}

template <typename Number>
std::optional<Number> number_unless_zero(const JsonView& json, std::string_view key) {
  const auto value = json.find(key);
  if (!value || value->number() == 0) return std::nullopt;
  return static_cast<Number>(value->number());
}

nlohmann::json ulimits_json(const std::vector<Rlimit>& ulimits) {
  auto list = nlohmann::json::array();
  for (const auto& limit : ulimits) {
    list.push_back({{"Name", ulimit_name(limit.resource)},
                    {"Soft", static_cast<std::int64_t>(limit.soft)},
                    {"Hard", static_cast<std::int64_t>(limit.hard)}});
  }
  return list;
}

std::vector<std::string> strings_of(const JsonView& json, std::string_view key) {
  const auto list = json.find(key);
  return list ? list->strings() : std::vector<std::string>();
}

}  // namespace

void check_options(const HostOptions& options) {
  check_memory(options);
  check_cpus(options);
  check_mount_points(options);
}

nlohmann::json to_json(const HostOptions& options) {
  auto binds = nlohmann::json::array();
  for (const auto& bind : options.binds)
    binds.push_back(bind.str());
  auto tmpfs = nlohmann::json::object();
  for (const auto& mount : options.tmpfs)
    tmpfs[mount.destination] = mount.options;
  auto security = nlohmann::json::array();
  if (options.no_new_privileges) security.push_back("no-new-privileges");
  return {{"Binds", binds},
          {"Tmpfs", tmpfs},
          {"Memory", number_or_zero(options.memory)},
          {"MemorySwap", number_or_zero(options.memory_swap)},
          {"NanoCpus", number_or_zero(options.nano_cpus)},
          {"CpuShares", number_or_zero(options.cpu_shares)},
          {"PidsLimit", number_or_zero(options.pids_limit)},
          {"CapAdd", options.cap_add},
          {"CapDrop", options.cap_drop},
          {"ExtraHosts", options.extra_hosts},
          {"Dns", options.dns},
          {"Ulimits", ulimits_json(options.ulimits)},
          {"Sysctls", options.sysctls},
          {"OomScoreAdj", options.oom_score_adj.value_or(0)},
          {"CgroupParent", options.cgroup_parent},
          {"NetworkMode", options.network == NetworkMode::Host ? "host" : "none"},
          {"ReadonlyRootfs", options.read_only_rootfs},
          {"SecurityOpt", security},
          {"AutoRemove", options.auto_remove},
          {"Privileged", false}};
}

HostOptions host_options_from_json(const nlohmann::json& document) {
  const JsonView json(document, "container options");
  HostOptions options;
  for (const auto& bind : strings_of(json, "Binds"))
    options.binds.push_back(parse_volume(bind, "/"));
  for (const auto& [target, mount] : json.at("Tmpfs").members()) {
    options.tmpfs.push_back({target, mount.string()});
  }
  options.memory = number_unless_zero<std::uint64_t>(json, "Memory");
  options.memory_swap = number_unless_zero<std::int64_t>(json, "MemorySwap");
  options.nano_cpus = number_unless_zero<std::int64_t>(json, "NanoCpus");
  options.cpu_shares = number_unless_zero<std::uint64_t>(json, "CpuShares");
  options.pids_limit = number_unless_zero<std::uint64_t>(json, "PidsLimit");
  options.cap_add = strings_of(json, "CapAdd");
  options.cap_drop = strings_of(json, "CapDrop");
  options.extra_hosts = strings_of(json, "ExtraHosts");
  options.dns = strings_of(json, "Dns");
  for (const auto& limit : json.at("Ulimits").items()) {
    options.ulimits.push_back(
        parse_ulimit(fmt::format("{}={}:{}", limit.at("Name").string(), limit.at("Soft").number(),
                                 limit.at("Hard").number())));
  }
  for (const auto& [key, value] : json.at("Sysctls").members())
    options.sysctls[key] = value.string();
  options.oom_score_adj = number_unless_zero<int>(json, "OomScoreAdj");
  options.cgroup_parent = json.at("CgroupParent").string();
  options.network =
      json.at("NetworkMode").string() == "host" ? NetworkMode::Host : NetworkMode::None;
  options.read_only_rootfs = json.at("ReadonlyRootfs").boolean();
  options.no_new_privileges = !strings_of(json, "SecurityOpt").empty();
  options.auto_remove = json.at("AutoRemove").boolean();
  return options;
}

}  // namespace layerkit
