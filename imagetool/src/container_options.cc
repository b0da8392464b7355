#include "layerkit/imagetool/container_options.h"

#include <algorithm>
#include <set>
#include <thread>

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"

namespace layerkit {
namespace {

void check_memory(const HostOptions& options) {
  constexpr std::uint64_t kMinimum = 6 << 20;
  if (options.memory && *options.memory < kMinimum) {
    fail(Errc::Invalid, "Minimum memory limit allowed is 6MB");
  }
  if (options.memory_reservation && *options.memory_reservation < kMinimum)
    fail(Errc::Invalid, "Minimum memory reservation allowed is 6MB");
  if (options.memory && options.memory_reservation &&
      *options.memory < *options.memory_reservation) {
    fail(Errc::Invalid,
         "Minimum memory limit can not be less than memory reservation limit, see usage");
  }
  if (options.memory_swappiness > 100U) {
    fail(Errc::Invalid, "Invalid value: {}, valid memory swappiness range is 0-100",
         *options.memory_swappiness);
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
  if (options.cpu_period && (*options.cpu_period < 1000 || *options.cpu_period > 1'000'000)) {
    fail(Errc::Invalid,
         "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)");
  }
  if (options.cpu_quota && *options.cpu_quota > 0 && *options.cpu_quota < 1000)
    fail(Errc::Invalid, "CPU cfs quota can not be less than 1ms (i.e. 1000)");
  if (!options.nano_cpus) return;
  for (const auto& [is_set, what] : {std::pair(options.cpu_period.has_value(), "Period"),
                                     std::pair(options.cpu_quota.has_value(), "Quota")}) {
    if (is_set)
      fail(Errc::Invalid, "Conflicting options: Nano CPUs and CPU {} cannot both be set.", what);
  }
  const auto available = std::max(1U, std::thread::hardware_concurrency());
  if (*options.nano_cpus < 10'000'000 || *options.nano_cpus > available * INT64_C(1'000'000'000)) {
    fail(Errc::Invalid,
         "Range of CPUs is from 0.01 to {0}.00, as there are only {0} CPUs available", available);
  }
}

void check_block_io(const BlockIoOptions& options) {
  const auto check = [](std::uint64_t weight) {
    if (weight < 10 || weight > 1000)
      fail(Errc::Invalid, "Range of blkio weight is from 10 to 1000");
  };
  if (options.weight) check(*options.weight);
  for (const auto& device : options.weight_devices)
    check(device.value);
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

void check_namespaces(const HostOptions& options) {
  if (!options.ports.empty() && options.network != NetworkMode::Named)
    fail(Errc::Invalid, "conflicting options: port publishing and the network mode");
  if (options.ipc == NamespaceMode::Host && options.shm_size) {
    fail(Errc::Invalid, "conflicting options: --shm-size and the host's IPC namespace");
  }
}

}  // namespace

void check_options(const HostOptions& options) {
  check_memory(options);
  check_cpus(options);
  check_block_io(options.block_io);
  check_mount_points(options);
  check_namespaces(options);
}

}  // namespace layerkit
