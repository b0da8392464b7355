#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace layerkit {

/// What a container uses: the numbers of `events --stats`, with the meanings of cgroup v1, into
/// which those of v2 are translated as the other OCI runtimes do. What the system does not count
/// is 0 or empty. Sizes in bytes, times in nanoseconds unless said otherwise.
struct CgroupStats {
  static constexpr std::uint64_t kUnlimited = UINT64_MAX;

  /// Pressure stall information, Documentation/accounting/psi.rst. v2 alone.
  struct Stall {
    double avg10 = 0;  ///< percent of the last 10, 60, 300 seconds
    double avg60 = 0;
    double avg300 = 0;
    std::uint64_t total = 0;  ///< microseconds
  };
  struct Pressure {
    Stall some;
    Stall full;
  };

  struct CpuUsage {
    std::uint64_t total = 0;
    std::uint64_t kernel = 0;
    std::uint64_t user = 0;
    std::vector<std::uint64_t> per_cpu;  ///< v1 alone, like the next two
    std::vector<std::uint64_t> per_cpu_kernel;
    std::vector<std::uint64_t> per_cpu_user;
  };
  struct Throttling {
    std::uint64_t periods = 0;
    std::uint64_t throttled_periods = 0;
    std::uint64_t throttled_time = 0;
  };
  struct Cpu {
    CpuUsage usage;
    Throttling throttling;
    std::optional<Pressure> pressure;
  };

  /// v1 alone.
  struct Cpuset {
    std::vector<std::uint16_t> cpus;
    std::vector<std::uint16_t> mems;
    std::uint64_t cpu_exclusive = 0;
    std::uint64_t mem_hardwall = 0;
    std::uint64_t mem_exclusive = 0;
    std::uint64_t memory_migrate = 0;
    std::uint64_t memory_spread_page = 0;
    std::uint64_t memory_spread_slab = 0;
    std::uint64_t memory_pressure = 0;
    std::uint64_t sched_load_balance = 0;
    std::int64_t sched_relax_domain_level = 0;
  };

  struct MemoryEntry {
    std::uint64_t usage = 0;
    std::uint64_t max = 0;  ///< the highest usage so far
    std::uint64_t failcnt = 0;
    std::uint64_t limit = 0;  ///< v2: kUnlimited; v1: a huge number of the kernel's
  };
  struct Memory {
    std::uint64_t cache = 0;
    MemoryEntry usage;
    MemoryEntry swap;  ///< memory and swap together
    MemoryEntry kernel;
    MemoryEntry kernel_tcp;
    std::map<std::string, std::uint64_t> raw;  ///< memory.stat
    std::optional<Pressure> pressure;
  };

  struct Pids {
    std::uint64_t current = 0;
    std::uint64_t limit = 0;  ///< 0: unlimited
  };

  struct BlockIoEntry {
    std::uint64_t major = 0;
    std::uint64_t minor = 0;
    std::string op;  ///< "Read", "Write", ...; may be empty
    std::uint64_t value = 0;
  };
  struct BlockIo {
    std::vector<BlockIoEntry> service_bytes;
    std::vector<BlockIoEntry> serviced;
    std::vector<BlockIoEntry> queued;
    std::vector<BlockIoEntry> service_time;
    std::vector<BlockIoEntry> wait_time;
    std::vector<BlockIoEntry> merged;
    std::vector<BlockIoEntry> time;
    std::vector<BlockIoEntry> sectors;
    std::optional<Pressure> pressure;
  };

  struct Hugepages {
    std::uint64_t usage = 0;
    std::uint64_t max = 0;
    std::uint64_t failcnt = 0;
  };

  Cpu cpu;
  Cpuset cpuset;
  Memory memory;
  Pids pids;
  BlockIo block_io;
  std::map<std::string, Hugepages> hugepages;  ///< by page size: "2MB"
};

}  // namespace layerkit
