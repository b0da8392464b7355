#include <algorithm>

#include "cgroup_files.h"
#include "cgroup_stats.h"
#include "layerkit/base/text.h"

namespace layerkit::runner {
namespace {

constexpr std::uint64_t kMicrosecond = 1000;

std::optional<CgroupStats::Pressure> pressure(int directory, const char* file) {
  // EOPNOTSUPP where the kernel was told not to count it.
  const auto text = read_control(directory, file);
  if (!text) return std::nullopt;
  return parse_pressure(*text);
}

CgroupStats::MemoryEntry memory_entry(int directory, const std::string& prefix) {
  CgroupStats::MemoryEntry entry;
  const auto usage = number_file(directory, prefix + ".current");
  if (!usage) return entry;
  entry.usage = *usage;
  entry.limit = number_file(directory, prefix + ".max").value_or(0);
  entry.max = number_file(directory, prefix + ".peak").value_or(0);
  return entry;
}

CgroupStats::Memory memory_stats(int directory) {
  CgroupStats::Memory memory;
  memory.raw = keyed_numbers(directory, "memory.stat");
  const auto file = memory.raw.find("file");
  if (file != memory.raw.end()) memory.cache = file->second;
  memory.usage = memory_entry(directory, "memory");
  // Together, as v1 says it. The sum's highest value is not known.
  memory.swap = memory_entry(directory, "memory.swap");
  memory.swap.usage += memory.usage.usage;
  memory.swap.max = 0;
  const bool has_limit =
      memory.swap.limit != CgroupStats::kUnlimited && memory.usage.limit != CgroupStats::kUnlimited;
  memory.swap.limit = has_limit ? memory.swap.limit + memory.usage.limit : CgroupStats::kUnlimited;
  memory.pressure = pressure(directory, "memory.pressure");
  return memory;
}

CgroupStats::Cpu cpu_stats(int directory) {
  CgroupStats::Cpu cpu;
  const auto numbers = keyed_numbers(directory, "cpu.stat");
  const auto number = [&](const char* key) {
    const auto found = numbers.find(key);
    return found == numbers.end() ? 0 : found->second;
  };
  cpu.usage.total = number("usage_usec") * kMicrosecond;
  cpu.usage.user = number("user_usec") * kMicrosecond;
  cpu.usage.kernel = number("system_usec") * kMicrosecond;
  cpu.throttling.periods = number("nr_periods");
  cpu.throttling.throttled_periods = number("nr_throttled");
  cpu.throttling.throttled_time = number("throttled_usec") * kMicrosecond;
  cpu.pressure = pressure(directory, "cpu.pressure");
  return cpu;
}

CgroupStats::Pids pids_stats(int directory) {
  CgroupStats::Pids pids;
  if (const auto current = number_file(directory, "pids.current")) {
    pids.current = *current;
    const std::uint64_t limit = number_file(directory, "pids.max").value_or(0);
    pids.limit = limit == CgroupStats::kUnlimited ? 0 : limit;
  } else {
    // Without the controller they can still be counted.
    const std::string all = read_control(directory, "cgroup.procs").value_or("");
    pids.current = static_cast<std::uint64_t>(std::count(all.begin(), all.end(), '\n'));
  }
  return pids;
}

std::map<std::string, CgroupStats::Hugepages> hugepage_stats(int directory) {
  std::map<std::string, CgroupStats::Hugepages> all;
  for (const std::string& size : hugepage_sizes()) {
    const std::string prefix = "hugetlb." + size;
    auto usage = number_file(directory, prefix + ".rsvd.current");
    if (!usage) usage = number_file(directory, prefix + ".current");
    if (!usage) continue;
    all[size] = {*usage, 0, keyed_number(directory, prefix + ".events", "max")};
  }
  return all;
}

}  // namespace

CgroupStats stats_v2(int directory) {
  CgroupStats stats;
  stats.cpu = cpu_stats(directory);
  stats.memory = memory_stats(directory);
  stats.pids = pids_stats(directory);
  stats.block_io = parse_io_stat(read_control(directory, "io.stat").value_or(""));
  stats.block_io.pressure = pressure(directory, "io.pressure");
  stats.hugepages = hugepage_stats(directory);
  return stats;
}

}  // namespace layerkit::runner
