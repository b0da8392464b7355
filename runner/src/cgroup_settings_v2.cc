#include <array>
#include <string_view>

#include "cgroup_settings.h"
#include "layerkit/base/text.h"

namespace layerkit::runner {
namespace {

using Settings = std::vector<CgroupSetting>;

/// What v1 has and v2 does not.
void check_has_counterpart(const Resources& resources) {
  const auto& [memory, cpu, pids, io, hugepages, network, rdma, unified, devices] = resources;
  bool has_leaf_weight = unless_zero(io.leaf_weight).has_value();
  for (const Resources::WeightDevice& device : io.weight_devices)
    has_leaf_weight = has_leaf_weight || unless_zero(device.leaf_weight);
  const std::array<std::pair<bool, std::string_view>, 6> absent = {{
      {unless_zero(memory.kernel_tcp).has_value(), "kernel TCP memory"},
      {swappiness_of(memory).has_value(), "swappiness"},
      {memory.disable_oom_killer == true, "the OOM killer"},
      {unless_zero(cpu.realtime_runtime) || unless_zero(cpu.realtime_period), "realtime cpu"},
      {has_leaf_weight, "block I/O leaf weight"},
      {unless_zero(network.class_id) || !network.priorities.empty(),
       "network classes and priorities"},
  }};
  for (const auto& [is_asked, limit] : absent) {
    if (is_asked) fail(Errc::Unsupported, "limiting {}: it is not supported on cgroup v2", limit);
  }
}

std::string or_max(std::int64_t value) {
  return value < 0 ? "max" : std::to_string(value);
}

/// Swap alone, which v2 counts by itself; opencontainers/cgroups has the cases.
std::int64_t swap_alone(std::int64_t both, const std::optional<std::int64_t>& memory) {
  if (both < 0) return -1;
  if (!memory) fail(Errc::Invalid, "limiting swap: unable to set swap limit without memory limit");
  return *memory < 0 ? both : both - *memory;
}

void add_memory(const Resources::Memory& memory, Settings& settings) {
  const auto limit = unless_zero(memory.limit);
  auto both = unless_zero(memory.swap);
  if (!both && limit == -1) both = -1;
  if (both) {
    const std::int64_t swap = swap_alone(*both, limit);
    // Where the kernel does not count swap, none and all of it need no file.
    settings.push_back(
        {"memory", "memory.swap.max", or_max(swap), "swap", swap > 0 && !memory.swap_is_optional});
  }
  if (limit) settings.push_back({"memory", "memory.max", or_max(*limit), "memory"});
  if (const auto reservation = unless_zero(memory.reservation))
    settings.push_back({"memory", "memory.low", or_max(*reservation), "memory reservation"});
}

void add_cpu(const Resources::Cpu& cpu, Settings& settings) {
  const auto quota = unless_zero(cpu.quota);
  const auto period = unless_zero(cpu.period);
  const auto shares = unless_zero(cpu.shares);
  // An idle cgroup has no weight of its own, and takes none until it is idle no more.
  if (shares && cpu.idle != 1) {
    settings.push_back({"cpu", "cpu.weight", std::to_string(cpu_weight(*shares)), "cpu shares",
                        true, cpu.idle.has_value()});
  }
  if (cpu.burst) {
    settings.push_back(
        {"cpu", "cpu.max.burst", std::to_string(*cpu.burst), "cpu burst", true, quota.has_value()});
  }
  if (quota || period) {
    // One number alone is the quota; the period stays.
    std::string value = or_max(quota.value_or(-1));
    if (period) value += " " + std::to_string(*period);
    settings.push_back(
        {"cpu", "cpu.max", std::move(value), "cpu quota", true, cpu.burst.has_value()});
  }
  if (cpu.idle) settings.push_back({"cpu", "cpu.idle", std::to_string(*cpu.idle), "cpu idle"});
  if (!cpu.cpus.empty()) settings.push_back({"cpuset", "cpuset.cpus", cpu.cpus, "cpus"});
  if (!cpu.mems.empty()) settings.push_back({"cpuset", "cpuset.mems", cpu.mems, "memory nodes"});
}

void add_block_io(const Resources::BlockIo& io, Settings& settings) {
  if (const auto weight = unless_zero(io.weight)) {
    settings.push_back({"io", "io.bfq.weight", std::to_string(*weight), "block I/O weight", true,
                        false, "io.weight", std::to_string(io_weight(*weight))});
  }
  for (const Resources::WeightDevice& device : io.weight_devices) {
    const auto weight = unless_zero(device.weight);
    if (!weight) continue;
    const std::string name = fmt::format("{}:{} ", device.major, device.minor);
    settings.push_back({"io", "io.bfq.weight", name + std::to_string(*weight),
                        "block I/O weight of a device", true, false, "io.weight",
                        name + std::to_string(io_weight(*weight))});
  }
  const auto throttle = [&](const char* key, const std::vector<Resources::ThrottleDevice>& all) {
    for (const auto& [major, minor, rate] : all) {
      // v1 lifts a limit by 0, which v2 refuses.
      settings.push_back(
          {"io", "io.max",
           fmt::format("{}:{} {}={}", major, minor, key, rate == 0 ? "max" : std::to_string(rate)),
           "block I/O of a device"});
    }
  };
  throttle("rbps", io.read_bps);
  throttle("wbps", io.write_bps);
  throttle("riops", io.read_iops);
  throttle("wiops", io.write_iops);
}

void add_unified(const std::map<std::string, std::string>& unified, Settings& settings) {
  for (const auto& [file, value] : unified) {
    const std::string controller = file.substr(0, file.find('.'));
    // Control files take one line in each write.
    for (const std::string_view line : split(value, '\n')) {
      if (line.empty() && line.size() != value.size()) continue;
      settings.push_back({controller, file, std::string(line), file, true, false, "", "", true});
    }
  }
}

}  // namespace

std::vector<CgroupSetting> v2_settings(const Resources& resources) {
  check_has_counterpart(resources);
  Settings settings;
  add_memory(resources.memory, settings);
  add_cpu(resources.cpu, settings);
  add_shared_settings(resources, ".max", settings);
  add_block_io(resources.block_io, settings);
  // Last: they are the caller's last word.
  add_unified(resources.unified, settings);
  return settings;
}

}  // namespace layerkit::runner
