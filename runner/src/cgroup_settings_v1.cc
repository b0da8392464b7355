#include "cgroup_settings.h"

namespace layerkit::runner {
namespace {

using Settings = std::vector<CgroupSetting>;

void add_memory(const Resources::Memory& memory, Settings& settings) {
  const auto limit = unless_zero(memory.limit);
  auto swap = unless_zero(memory.swap);
  const bool is_swap_required = swap.has_value() && !memory.swap_is_optional;
  // Unlimited memory within limited memory and swap would be none.
  if (!swap && limit == -1) swap = -1;
  if (limit) {
    // The kernel wants it to be at most the sum. That grows first, and shrinks last.
    settings.push_back({"memory", "memory.limit_in_bytes", std::to_string(*limit), "memory", true,
                        swap.has_value()});
  }
  if (swap) {
    settings.push_back(
        {"memory", "memory.memsw.limit_in_bytes", std::to_string(*swap), "swap", is_swap_required});
  }
  if (const auto reservation = unless_zero(memory.reservation)) {
    settings.push_back({"memory", "memory.soft_limit_in_bytes", std::to_string(*reservation),
                        "memory reservation"});
  }
  if (const auto kernel_tcp = unless_zero(memory.kernel_tcp)) {
    settings.push_back({"memory", "memory.kmem.tcp.limit_in_bytes", std::to_string(*kernel_tcp),
                        "kernel TCP memory"});
  }
  if (memory.disable_oom_killer) {
    settings.push_back({"memory", "memory.oom_control", *memory.disable_oom_killer ? "1" : "0",
                        "the OOM killer", *memory.disable_oom_killer});
  }
  if (const auto swappiness = swappiness_of(memory)) {
    settings.push_back({"memory", "memory.swappiness", std::to_string(*swappiness), "swappiness"});
  }
}

void add_cpu(const Resources::Cpu& cpu, Settings& settings) {
  const auto add = [&](const char* file, const auto& value, const char* limit, bool may_wait) {
    if (value) settings.push_back({"cpu", file, std::to_string(*value), limit, true, may_wait});
  };
  const auto quota = unless_zero(cpu.quota);
  const auto runtime = unless_zero(cpu.realtime_runtime);
  // An idle cgroup has no shares of its own, and takes none until it is idle no more.
  if (cpu.idle != 1) add("cpu.shares", unless_zero(cpu.shares), "cpu shares", cpu.idle.has_value());
  add("cpu.cfs_period_us", unless_zero(cpu.period), "cpu period", quota.has_value());
  add("cpu.cfs_burst_us", cpu.burst, "cpu burst", quota.has_value());
  add("cpu.cfs_quota_us", quota, "cpu quota", cpu.burst.has_value());
  add("cpu.idle", cpu.idle, "cpu idle", false);
  add("cpu.rt_period_us", unless_zero(cpu.realtime_period), "realtime period", runtime.has_value());
  add("cpu.rt_runtime_us", runtime, "realtime runtime", false);
}

void add_cpuset(const Resources::Cpu& cpu, Settings& settings) {
  if (!cpu.cpus.empty()) settings.push_back({"cpuset", "cpuset.cpus", cpu.cpus, "cpus"});
  if (!cpu.mems.empty()) settings.push_back({"cpuset", "cpuset.mems", cpu.mems, "memory nodes"});
}

void add_block_io(const Resources::BlockIo& io, Settings& settings) {
  const auto add = [&](const char* file, const std::string& value, const char* limit,
                       const char* other = "") {
    settings.push_back({"blkio", file, value, limit, true, false, other, value});
  };
  if (const auto weight = unless_zero(io.weight))
    add("blkio.weight", std::to_string(*weight), "block I/O weight", "blkio.bfq.weight");
  if (const auto weight = unless_zero(io.leaf_weight))
    add("blkio.leaf_weight", std::to_string(*weight), "block I/O leaf weight");
  for (const Resources::WeightDevice& device : io.weight_devices) {
    const auto value = [&](std::uint16_t weight) {
      return fmt::format("{}:{} {}", device.major, device.minor, weight);
    };
    if (const auto weight = unless_zero(device.weight)) {
      add("blkio.weight_device", value(*weight), "block I/O weight of a device",
          "blkio.bfq.weight_device");
    }
    if (const auto weight = unless_zero(device.leaf_weight))
      add("blkio.leaf_weight_device", value(*weight), "block I/O leaf weight of a device");
  }
  const auto throttle = [&](const char* file, const std::vector<Resources::ThrottleDevice>& all) {
    for (const auto& [major, minor, rate] : all)
      add(file, fmt::format("{}:{} {}", major, minor, rate), "block I/O of a device");
  };
  throttle("blkio.throttle.read_bps_device", io.read_bps);
  throttle("blkio.throttle.write_bps_device", io.write_bps);
  throttle("blkio.throttle.read_iops_device", io.read_iops);
  throttle("blkio.throttle.write_iops_device", io.write_iops);
}

void add_network(const Resources::Network& network, Settings& settings) {
  if (const auto id = unless_zero(network.class_id))
    settings.push_back({"net_cls", "net_cls.classid", std::to_string(*id), "the network class"});
  for (const Resources::InterfacePriority& each : network.priorities) {
    settings.push_back({"net_prio", "net_prio.ifpriomap",
                        fmt::format("{} {}", each.name, each.priority), "network priorities"});
  }
}

}  // namespace

std::vector<CgroupSetting> v1_settings(const Resources& resources) {
  if (!resources.unified.empty())
    fail(Errc::Invalid, "invalid configuration: cannot use unified on cgroup v1");
  Settings settings;
  add_memory(resources.memory, settings);
  add_cpu(resources.cpu, settings);
  add_cpuset(resources.cpu, settings);
  add_shared_settings(resources, ".limit_in_bytes", settings);
  add_block_io(resources.block_io, settings);
  add_network(resources.network, settings);
  return settings;
}

}  // namespace layerkit::runner
