#include <cmath>

#include "cgroup_files.h"
#include "layerkit/base/error.h"

namespace layerkit::runner {
namespace {

/// memory + swap as docker has it: twice the memory limit unless the caller says otherwise.
std::optional<std::int64_t> memory_and_swap(const Resources& resources) {
  if (resources.memory_swap) return resources.memory_swap;
  if (!resources.memory_limit) return std::nullopt;
  const std::uint64_t half = std::numeric_limits<std::int64_t>::max() / 2;
  if (*resources.memory_limit > half) return -1;
  return static_cast<std::int64_t>(*resources.memory_limit * 2);
}

void check_memory(const Resources& resources) {
  if (!resources.memory_swap) return;
  if (!resources.memory_limit) {
    fail(Errc::Invalid, "limiting swap: a limit of memory and swap needs a memory limit");
  }
  const std::int64_t swap = *resources.memory_swap;
  if (swap != -1 && (swap < 0 || static_cast<std::uint64_t>(swap) < *resources.memory_limit)) {
    fail(Errc::Invalid,
         "limiting swap: memory and swap together ({}) are less than the memory limit ({})", swap,
         *resources.memory_limit);
  }
}

void check_cpu(const Resources& resources) {
  // The kernel's own bounds, kernel/sched/core.c.
  if (resources.cpu_period_us < 1000 || resources.cpu_period_us > 1'000'000) {
    fail(Errc::Invalid, "limiting cpu: the period of {} us is not between 1000 and 1000000",
         resources.cpu_period_us);
  }
  if (resources.cpu_quota_us && *resources.cpu_quota_us < 1000) {
    fail(Errc::Invalid, "limiting cpu: a quota of {} us is below 1000", *resources.cpu_quota_us);
  }
  if (resources.cpu_shares && (*resources.cpu_shares < 2 || *resources.cpu_shares > 262'144)) {
    fail(Errc::Invalid, "limiting cpu: {} shares are not between 2 and 262144",
         *resources.cpu_shares);
  }
}

}  // namespace

void check_resources(const Resources& resources) {
  check_memory(resources);
  check_cpu(resources);
  if (resources.memory_limit == 0U) fail(Errc::Invalid, "limiting memory: a limit of 0 bytes");
  if (resources.pids_limit == 0U) fail(Errc::Invalid, "limiting processes: a limit of 0");
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
  if (resources.memory_limit) {
    settings.push_back({"memory", "memory.limit_in_bytes", std::to_string(*resources.memory_limit),
                        "memory", true});
  }
  if (const auto both = memory_and_swap(resources)) {
    // After the memory limit: the kernel refuses a sum below it.
    settings.push_back({"memory", "memory.memsw.limit_in_bytes", std::to_string(*both), "swap",
                        resources.memory_swap.has_value()});
  }
  if (resources.cpu_quota_us) {
    settings.push_back(
        {"cpu", "cpu.cfs_period_us", std::to_string(resources.cpu_period_us), "cpu quota", true});
    settings.push_back(
        {"cpu", "cpu.cfs_quota_us", std::to_string(*resources.cpu_quota_us), "cpu quota", true});
  }
  if (resources.cpu_shares) {
    settings.push_back(
        {"cpu", "cpu.shares", std::to_string(*resources.cpu_shares), "cpu shares", true});
  }
  if (resources.pids_limit) {
    settings.push_back(
        {"pids", "pids.max", std::to_string(*resources.pids_limit), "processes", true});
  }
  return settings;
}

std::vector<CgroupSetting> v2_settings(const Resources& resources) {
  std::vector<CgroupSetting> settings;
  if (resources.memory_limit) {
    settings.push_back(
        {"memory", "memory.max", std::to_string(*resources.memory_limit), "memory", true});
  }
  if (const auto both = memory_and_swap(resources)) {
    // v2 counts swap by itself.
    const std::string swap =
        *both == -1 ? "max"
                    : std::to_string(static_cast<std::uint64_t>(*both) - *resources.memory_limit);
    settings.push_back(
        {"memory", "memory.swap.max", swap, "swap", resources.memory_swap.has_value()});
  }
  if (resources.cpu_quota_us) {
    settings.push_back({"cpu", "cpu.max",
                        fmt::format("{} {}", *resources.cpu_quota_us, resources.cpu_period_us),
                        "cpu quota", true});
  }
  if (resources.cpu_shares) {
    settings.push_back({"cpu", "cpu.weight", std::to_string(cpu_weight(*resources.cpu_shares)),
                        "cpu shares", true});
  }
  if (resources.pids_limit) {
    settings.push_back(
        {"pids", "pids.max", std::to_string(*resources.pids_limit), "processes", true});
  }
  return settings;
}

}  // namespace layerkit::runner
