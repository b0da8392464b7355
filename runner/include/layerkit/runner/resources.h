#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace layerkit {

/// Limits of one container: "linux.resources" of the OCI runtime spec (config-linux.md, "Control
/// groups"), with its names. What is unset is not written, nor a limit of 0 where that
/// means nothing. Sizes in bytes, times in microseconds.
/// Each value goes to cgroup v1 or v2, whichever has its controller; v1's scales are converted for
/// v2 as the spec's conversion table says.
struct Resources {
  struct Memory {
    std::optional<std::int64_t> limit;  ///< -1: unlimited, here and below
    std::optional<std::int64_t> reservation;
    std::optional<std::int64_t> swap;  ///< memory and swap together, as on v1
    bool swap_is_optional = false;     ///< no error where the kernel does not count swap
    std::optional<std::int64_t> kernel_tcp;
    std::optional<std::uint64_t> swappiness;
    std::optional<bool> disable_oom_killer;
    bool check_before_update = false;  ///< v2: refuse a limit below what is in use
  };
  struct Cpu {
    std::optional<std::uint64_t> shares;  ///< v1's scale, 2..262144; 0 is not set
    std::optional<std::int64_t> quota;    ///< -1: unlimited
    std::optional<std::uint64_t> burst;
    std::optional<std::uint64_t> period;
    std::optional<std::int64_t> realtime_runtime;
    std::optional<std::uint64_t> realtime_period;
    std::string cpus;  ///< cpuset(7) list; empty: not set
    std::string mems;
    std::optional<std::int64_t> idle;
  };
  struct WeightDevice {
    std::uint64_t major = 0;
    std::uint64_t minor = 0;
    std::optional<std::uint16_t> weight;
    std::optional<std::uint16_t> leaf_weight;
  };
  struct ThrottleDevice {
    std::uint64_t major = 0;
    std::uint64_t minor = 0;
    std::uint64_t rate = 0;
  };
  struct BlockIo {
    std::optional<std::uint16_t> weight;
    std::optional<std::uint16_t> leaf_weight;
    std::vector<WeightDevice> weight_devices;
    std::vector<ThrottleDevice> read_bps;
    std::vector<ThrottleDevice> write_bps;
    std::vector<ThrottleDevice> read_iops;
    std::vector<ThrottleDevice> write_iops;
  };
  struct HugepageLimit {
    std::string page_size;  ///< "2MB"
    std::uint64_t limit = 0;
  };
  struct InterfacePriority {
    std::string name;
    std::uint32_t priority = 0;
  };
  struct Network {
    std::optional<std::uint32_t> class_id;
    std::vector<InterfacePriority> priorities;
  };
  struct Rdma {
    std::optional<std::uint32_t> handles;
    std::optional<std::uint32_t> objects;
  };
  /// A rule for device nodes; of several that match the last counts.
  struct DeviceRule {
    bool allow = false;
    char type = 'a';                    ///< 'a' all, 'b', 'c'
    std::optional<std::int64_t> major;  ///< unset: any
    std::optional<std::int64_t> minor;
    std::string access = "rwm";
  };

  Memory memory;
  Cpu cpu;
  std::optional<std::int64_t> pids_limit;  ///< 0 or less: unlimited
  BlockIo block_io;
  std::vector<HugepageLimit> hugepages;
  Network network;
  std::map<std::string, Rdma> rdma;  ///< by device
  /// v2 alone: file name in the cgroup's directory to what is written there.
  std::map<std::string, std::string> unified;
  /// In order, from "nothing is allowed"; the usual harmless devices (null, zero, full, random,
  /// urandom, tty, ptmx, pts; mknod of any) are allowed after them.
  std::vector<DeviceRule> devices;
};

}  // namespace layerkit
