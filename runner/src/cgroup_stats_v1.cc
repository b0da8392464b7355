#include <array>

#include "cgroup_files.h"
#include "cgroup_stats.h"
#include "layerkit/base/text.h"

namespace layerkit::runner {
namespace {

/// cpuacct.stat counts in ticks of USER_HZ, which is 100 wherever Linux runs with a C library.
constexpr std::uint64_t kTickNs = 10'000'000;

std::uint64_t number(int directory, const std::string& file) {
  return number_file(directory, file).value_or(0);
}

std::string text_of(int directory, const char* file) {
  return read_control(directory, file).value_or("");
}

void add_cpu(int directory, CgroupStats::Throttling& throttling) {
  throttling.periods = keyed_number(directory, "cpu.stat", "nr_periods");
  throttling.throttled_periods = keyed_number(directory, "cpu.stat", "nr_throttled");
  throttling.throttled_time = keyed_number(directory, "cpu.stat", "throttled_time");
}

void add_cpuacct(int directory, CgroupStats::CpuUsage& usage) {
  usage.total = number(directory, "cpuacct.usage");
  usage.user = keyed_number(directory, "cpuacct.stat", "user") * kTickNs;
  usage.kernel = keyed_number(directory, "cpuacct.stat", "system") * kTickNs;
  for (const std::string_view word : words_of(text_of(directory, "cpuacct.usage_percpu")))
    usage.per_cpu.push_back(parse_decimal(word).value_or(0));
  const std::string all = text_of(directory, "cpuacct.usage_all");
  for (const std::string_view line : split(all, '\n')) {
    const std::vector<std::string_view> words = words_of(line);
    // "cpu user system" comes first.
    if (words.size() < 3 || !parse_decimal(words[0])) continue;
    usage.per_cpu_user.push_back(parse_decimal(words[1]).value_or(0));
    usage.per_cpu_kernel.push_back(parse_decimal(words[2]).value_or(0));
  }
}

void add_cpuset(int directory, CgroupStats::Cpuset& cpuset) {
  cpuset.cpus = parse_cpu_list(text_of(directory, "cpuset.cpus"));
  cpuset.mems = parse_cpu_list(text_of(directory, "cpuset.mems"));
  cpuset.cpu_exclusive = number(directory, "cpuset.cpu_exclusive");
  cpuset.mem_hardwall = number(directory, "cpuset.mem_hardwall");
  cpuset.mem_exclusive = number(directory, "cpuset.mem_exclusive");
  cpuset.memory_migrate = number(directory, "cpuset.memory_migrate");
  cpuset.memory_spread_page = number(directory, "cpuset.memory_spread_page");
  cpuset.memory_spread_slab = number(directory, "cpuset.memory_spread_slab");
  cpuset.memory_pressure = number(directory, "cpuset.memory_pressure");
  cpuset.sched_load_balance = number(directory, "cpuset.sched_load_balance");
  const std::string level = text_of(directory, "cpuset.sched_relax_domain_level");
  const bool is_negative = level.starts_with('-');
  const std::vector<std::string_view> words = words_of(level);
  if (words.empty()) return;
  const auto size = parse_decimal(words.front().substr(is_negative ? 1 : 0)).value_or(0);
  cpuset.sched_relax_domain_level = static_cast<std::int64_t>(size) * (is_negative ? -1 : 1);
}

CgroupStats::MemoryEntry memory_entry(int directory, const std::string& prefix) {
  CgroupStats::MemoryEntry entry;
  const auto usage = number_file(directory, prefix + ".usage_in_bytes");
  if (!usage) return entry;  // swap and kernel memory are not counted by every kernel
  entry.usage = *usage;
  entry.max = number(directory, prefix + ".max_usage_in_bytes");
  entry.failcnt = number(directory, prefix + ".failcnt");
  entry.limit = number(directory, prefix + ".limit_in_bytes");
  return entry;
}

void add_memory(int directory, CgroupStats::Memory& memory) {
  memory.raw = keyed_numbers(directory, "memory.stat");
  const auto cache = memory.raw.find("cache");
  if (cache != memory.raw.end()) memory.cache = cache->second;
  memory.usage = memory_entry(directory, "memory");
  memory.swap = memory_entry(directory, "memory.memsw");
  memory.kernel = memory_entry(directory, "memory.kmem");
  memory.kernel_tcp = memory_entry(directory, "memory.kmem.tcp");
}

/// The first that is there: bfq counts what passes it, throttling what passes any scheduler.
std::vector<CgroupStats::BlockIoEntry> first_blkio(int directory,
                                                   const std::array<const char*, 4>& files) {
  for (const char* file : files) {
    if (file == nullptr) continue;
    auto entries = parse_blkio(text_of(directory, file));
    if (!entries.empty()) return entries;
  }
  return {};
}

void add_blkio(int directory, CgroupStats::BlockIo& io) {
  const auto own = [&](const char* bfq, const char* cfq) {
    return first_blkio(directory, {bfq, cfq, nullptr, nullptr});
  };
  io.service_bytes = first_blkio(
      directory, {"blkio.bfq.io_service_bytes_recursive", "blkio.io_service_bytes_recursive",
                  "blkio.throttle.io_service_bytes_recursive", "blkio.throttle.io_service_bytes"});
  io.serviced = first_blkio(directory,
                            {"blkio.bfq.io_serviced_recursive", "blkio.io_serviced_recursive",
                             "blkio.throttle.io_serviced_recursive", "blkio.throttle.io_serviced"});
  io.queued = own("blkio.bfq.io_queued_recursive", "blkio.io_queued_recursive");
  io.service_time = own("blkio.bfq.io_service_time_recursive", "blkio.io_service_time_recursive");
  io.wait_time = own("blkio.bfq.io_wait_time_recursive", "blkio.io_wait_time_recursive");
  io.merged = own("blkio.bfq.io_merged_recursive", "blkio.io_merged_recursive");
  io.time = own("blkio.bfq.time_recursive", "blkio.time_recursive");
  io.sectors = own("blkio.bfq.sectors_recursive", "blkio.sectors_recursive");
}

void add_hugetlb(int directory, std::map<std::string, CgroupStats::Hugepages>& all) {
  for (const std::string& size : hugepage_sizes()) {
    std::string prefix = "hugetlb." + size + ".rsvd";
    auto usage = number_file(directory, prefix + ".usage_in_bytes");
    if (!usage) {
      prefix = "hugetlb." + size;
      usage = number_file(directory, prefix + ".usage_in_bytes");
    }
    if (!usage) continue;
    all[size] = {*usage, number(directory, prefix + ".max_usage_in_bytes"),
                 number(directory, prefix + ".failcnt")};
  }
}

void add_pids(int directory, CgroupStats::Pids& pids) {
  pids.current = number(directory, "pids.current");
  const std::uint64_t limit = number(directory, "pids.max");
  pids.limit = limit == CgroupStats::kUnlimited ? 0 : limit;
}

}  // namespace

void add_stats_v1(int directory, std::string_view controller, CgroupStats& stats) {
  if (controller == "cpu") add_cpu(directory, stats.cpu.throttling);
  if (controller == "cpuacct") add_cpuacct(directory, stats.cpu.usage);
  if (controller == "cpuset") add_cpuset(directory, stats.cpuset);
  if (controller == "memory") add_memory(directory, stats.memory);
  if (controller == "blkio") add_blkio(directory, stats.block_io);
  if (controller == "hugetlb") add_hugetlb(directory, stats.hugepages);
  if (controller == "pids") add_pids(directory, stats.pids);
}

}  // namespace layerkit::runner
