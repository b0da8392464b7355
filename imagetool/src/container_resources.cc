#include "container_resources.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <limits>

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"

namespace layerkit {
namespace {

constexpr std::uint64_t kCpuPeriodUs = 100'000;

std::int64_t signed_limit(std::uint64_t limit) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::int64_t>::max();
  return static_cast<std::int64_t>(std::min(limit, kMost));
}

void plan_memory(const HostOptions& options, Resources::Memory& memory) {
  if (options.memory) memory.limit = signed_limit(*options.memory);
  memory.swap = options.memory_swap;
  // Docker's default: as much swap as memory.
  if (options.memory && !options.memory_swap) {
    memory.swap =
        *memory.limit > std::numeric_limits<std::int64_t>::max() / 2 ? -1 : *memory.limit * 2;
    memory.swap_is_optional = true;
  }
  if (options.memory_reservation) memory.reservation = signed_limit(*options.memory_reservation);
  memory.swappiness = options.memory_swappiness;
  if (options.oom_kill_disable) memory.disable_oom_killer = true;
}

void plan_cpu(const HostOptions& options, Resources::Cpu& cpu) {
  if (options.cpu_shares) {
    // The kernel's bounds: docker's daemon and runc clamp, too.
    cpu.shares = std::clamp<std::uint64_t>(*options.cpu_shares, 2, 262'144);
  }
  if (options.nano_cpus) {
    cpu.period = kCpuPeriodUs;
    cpu.quota = *options.nano_cpus * std::int64_t{kCpuPeriodUs} / 1'000'000'000;
  }
  if (options.cpu_period) cpu.period = options.cpu_period;
  if (options.cpu_quota) cpu.quota = options.cpu_quota;
  cpu.cpus = options.cpuset_cpus;
  cpu.mems = options.cpuset_mems;
}

struct stat look_at_device(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) fail_errno(errno, "looking at device {}", quoted(path));
  return status;
}

struct stat look_at_disk(const std::string& path) {
  const struct stat status = look_at_device(path);
  if (!S_ISBLK(status.st_mode))
    fail(Errc::Invalid, "looking at device {}: it is no block device", quoted(path));
  return status;
}

void plan_throttling(const std::vector<DeviceLimit>& limits,
                     std::vector<Resources::ThrottleDevice>& devices) {
  for (const auto& limit : limits) {
    const struct stat status = look_at_disk(limit.path);
    devices.push_back({::major(status.st_rdev), ::minor(status.st_rdev), limit.value});
  }
}

void plan_block_io(const BlockIoOptions& options, Resources::BlockIo& block_io) {
  block_io.weight = options.weight;
  for (const auto& limit : options.weight_devices) {
    const struct stat status = look_at_disk(limit.path);
    Resources::WeightDevice device;
    device.major = ::major(status.st_rdev);
    device.minor = ::minor(status.st_rdev);
    device.weight = static_cast<std::uint16_t>(limit.value);
    block_io.weight_devices.push_back(device);
  }
  plan_throttling(options.read_bps, block_io.read_bps);
  plan_throttling(options.write_bps, block_io.write_bps);
  plan_throttling(options.read_iops, block_io.read_iops);
  plan_throttling(options.write_iops, block_io.write_iops);
}

}  // namespace

Resources plan_resources(const HostOptions& options) {
  Resources resources;
  plan_memory(options, resources.memory);
  plan_cpu(options, resources.cpu);
  plan_block_io(options.block_io, resources.block_io);
  if (options.pids_limit) resources.pids_limit = signed_limit(*options.pids_limit);
  return resources;
}

}  // namespace layerkit
