#include <cmath>

#include "cgroup_files.h"
#include "layerkit/base/error.h"

namespace layerkit::runner {
namespace {

constexpr std::uint64_t kDefaultPeriod = 100'000;  ///< the kernel's, microseconds

/// memory + swap as docker has it: twice the memory limit unless the caller says otherwise.
std::optional<std::int64_t> memory_and_swap(const Resources::Memory& memory) {
  if (memory.swap) return memory.swap;
  if (!memory.limit) return std::nullopt;
  if (*memory.limit > std::numeric_limits<std::int64_t>::max() / 2) return -1;
  return *memory.limit * 2;
}

void check_memory(const Resources::Memory& memory) {
  if (memory.limit && *memory.limit <= 0 && *memory.limit != -1) {
    fail(Errc::Invalid, "limiting memory: a limit of {} bytes", *memory.limit);
  }
  if (!memory.swap) return;
  if (!memory.limit) {
    fail(Errc::Invalid, "limiting swap: a limit of memory and swap needs a memory limit");
  }
  if (*memory.swap != -1 && *memory.swap < *memory.limit) {
    fail(Errc::Invalid,
         "limiting swap: memory and swap together ({}) are less than the memory limit ({})",
         *memory.swap, *memory.limit);
  }
}

void check_cpu(const Resources::Cpu& cpu) {
  // The kernel's own bounds, kernel/sched/core.c.
  if (cpu.period && (*cpu.period < 1000 || *cpu.period > 1'000'000)) {
    fail(Errc::Invalid, "limiting cpu: the period of {} us is not between 1000 and 1000000",
         *cpu.period);
  }
  if (cpu.quota && *cpu.quota != -1 && *cpu.quota < 1000) {
    fail(Errc::Invalid, "limiting cpu: a quota of {} us is below 1000", *cpu.quota);
  }
  if (cpu.shares && (*cpu.shares < 2 || *cpu.shares > 262'144)) {
    fail(Errc::Invalid, "limiting cpu: {} shares are not between 2 and 262144", *cpu.shares);
  }
}

}  // namespace

void check_resources(const Resources& resources) {
  check_memory(resources.memory);
  check_cpu(resources.cpu);
  if (resources.pids_limit == 0) fail(Errc::Invalid, "limiting processes: a limit of 0");
}

std::uint64_t cpu_weight(std::uint64_t shares) {
  // The curve of the OCI runtimes (opencontainers/cgroups): the minima, the defaults (1024 and 100)
  // and the maxima of the two scales meet.
  const double power = std::log2(static_cast<double>(shares));
  const double exponent = (power * power + 125.0 * power) / 612.0 - 7.0 / 34.0;
  return static_cast<std::uint64_t>(std::ceil(std::pow(10.0, exponent)));
}

std::vector<CgroupSetting> v1_settings(const Resources& resources) {
  std::vector<CgroupSetting> settings;
  if (resources.memory.limit) {
    settings.push_back({"memory", "memory.limit_in_bytes", std::to_string(*resources.memory.limit),
                        "memory", true});
  }
  if (const auto both = memory_and_swap(resources.memory)) {
    // After the memory limit: the kernel refuses a sum below it.
    settings.push_back({"memory", "memory.memsw.limit_in_bytes", std::to_string(*both), "swap",
                        resources.memory.swap.has_value()});
  }
  if (resources.cpu.quota) {
    settings.push_back({"cpu", "cpu.cfs_period_us",
                        std::to_string(resources.cpu.period.value_or(kDefaultPeriod)), "cpu quota",
                        true});
    settings.push_back(
        {"cpu", "cpu.cfs_quota_us", std::to_string(*resources.cpu.quota), "cpu quota", true});
  }
  if (resources.cpu.shares) {
    settings.push_back(
        {"cpu", "cpu.shares", std::to_string(*resources.cpu.shares), "cpu shares", true});
  }
  if (resources.pids_limit) {
    settings.push_back(
        {"pids", "pids.max", std::to_string(*resources.pids_limit), "processes", true});
  }
  return settings;
}

std::vector<CgroupSetting> v2_settings(const Resources& resources) {
  std::vector<CgroupSetting> settings;
  if (resources.memory.limit) {
    settings.push_back(
        {"memory", "memory.max", std::to_string(*resources.memory.limit), "memory", true});
  }
  if (const auto both = memory_and_swap(resources.memory)) {
    // v2 counts swap by itself.
    const std::string swap = *both == -1 ? "max" : std::to_string(*both - *resources.memory.limit);
    settings.push_back(
        {"memory", "memory.swap.max", swap, "swap", resources.memory.swap.has_value()});
  }
  if (resources.cpu.quota) {
    settings.push_back(
        {"cpu", "cpu.max",
         fmt::format("{} {}", *resources.cpu.quota, resources.cpu.period.value_or(kDefaultPeriod)),
         "cpu quota", true});
  }
  if (resources.cpu.shares) {
    settings.push_back({"cpu", "cpu.weight", std::to_string(cpu_weight(*resources.cpu.shares)),
                        "cpu shares", true});
  }
  if (resources.pids_limit) {
    settings.push_back(
        {"pids", "pids.max", std::to_string(*resources.pids_limit), "processes", true});
  }
  return settings;
}

}  // namespace layerkit::runner
