#include <algorithm>
#include <cmath>

#include "cgroup.h"
#include "cgroup_devices.h"
#include "cgroup_settings.h"
#include "layerkit/base/text.h"
#include "spec_check.h"

namespace layerkit::runner {
namespace {

void check_memory(const Resources::Memory& memory) {
  const auto check = [](const std::optional<std::int64_t>& value, const char* what) {
    if (value && *value < -1) fail(Errc::Invalid, "limiting {}: a limit of {} bytes", what, *value);
  };
  check(memory.limit, "memory");
  check(memory.swap, "swap");
  check(memory.reservation, "memory reservation");
  check(memory.kernel_tcp, "kernel TCP memory");
  if (swappiness_of(memory) > 100U) {
    fail(Errc::Invalid,
         "limiting memory: invalid memory swappiness value: {} (valid range is 0-100)",
         *memory.swappiness);
  }
  const auto limit = unless_zero(memory.limit);
  const auto swap = unless_zero(memory.swap);
  if (limit && swap && *swap != -1 && *swap < *limit) {
    fail(Errc::Invalid,
         "limiting swap: memory and swap together ({}) are less than the memory limit ({})", *swap,
         *limit);
  }
}

void check_cpu(const Resources::Cpu& cpu) {
  // The kernel's own bounds, kernel/sched/core.c.
  const auto period = unless_zero(cpu.period);
  if (period && (*period < 1000 || *period > 1'000'000)) {
    fail(Errc::Invalid, "limiting cpu: the period of {} us is not between 1000 and 1000000",
         *period);
  }
  const auto quota = unless_zero(cpu.quota);
  if (quota && *quota != -1 && *quota < 1000) {
    fail(Errc::Invalid, "limiting cpu: a quota of {} us is below 1000", *quota);
  }
  const auto shares = unless_zero(cpu.shares);
  if (shares && (*shares < 2 || *shares > 262'144)) {
    fail(Errc::Invalid, "limiting cpu: {} shares are not between 2 and 262144", *shares);
  }
  if (cpu.idle && *cpu.idle != 0 && *cpu.idle != 1) {
    fail(Errc::Invalid, "limiting cpu: idle is {}, neither 0 nor 1", *cpu.idle);
  }
  // The kernel would take what is in the first line.
  for (const std::string& list : {cpu.cpus, cpu.mems}) {
    if (list.find_first_of(std::string_view("\n\0", 2)) != std::string::npos)
      fail(Errc::Invalid, "limiting cpu: {} is not a list such as 0-2,7", quoted(list));
  }
}

void check_weight(const std::optional<std::uint16_t>& weight) {
  const auto value = unless_zero(weight);
  if (value && (*value < 10 || *value > 1000)) {
    fail(Errc::Invalid, "limiting block I/O: a weight of {} is not between 10 and 1000", *value);
  }
}

/// The kernel would cut it off and limit another device.
void check_device_number(std::uint64_t major, std::uint64_t minor) {
  if (major <= kMaxDeviceMajor && minor <= kMaxDeviceMinor) return;
  fail(Errc::Invalid, "limiting block I/O: {}:{} is no device number", major, minor);
}

void check_block_io(const Resources::BlockIo& io) {
  check_weight(io.weight);
  check_weight(io.leaf_weight);
  for (const Resources::WeightDevice& device : io.weight_devices) {
    check_weight(device.weight);
    check_weight(device.leaf_weight);
    check_device_number(device.major, device.minor);
  }
  for (const auto* list : {&io.read_bps, &io.write_bps, &io.read_iops, &io.write_iops})
    for (const Resources::ThrottleDevice& device : *list)
      check_device_number(device.major, device.minor);
}

/// "64KB", "2MB", "1GB": part of a file's name.
void check_page_size(const std::string& size) {
  const std::size_t digits = std::min(size.find_first_not_of("0123456789"), size.size());
  const std::string unit = size.substr(digits);
  if (digits == 0 || (unit != "KB" && unit != "MB" && unit != "GB")) {
    fail(Errc::Invalid, "limiting huge pages: {} is not a page size such as '2MB'", quoted(size));
  }
}

/// A name that is followed by more in the same line.
void check_word(const std::string& word, const char* doing) {
  if (word.empty() || word.find_first_of(std::string_view(" \t\n\0", 4)) != std::string::npos) {
    fail(Errc::Invalid, "{}: {} is not a name", doing, quoted(word));
  }
}

constexpr std::size_t kMaxName = 255;

/// More than the list of every CPU. Each line of it becomes a write.
constexpr std::size_t kMaxValue = 64 << 10;

void check_unified(const std::string& file, const std::string& value) {
  if (value.size() > kMaxValue)
    fail(Errc::Limit, "unified resource {}: a value of {} bytes, more than {}", quoted(file),
         value.size(), kMaxValue);
  if (file.size() > kMaxName)
    fail(Errc::Invalid, "unified resource {}: not a file name", quoted(file));
  if (file.find('/') != std::string::npos) {
    fail(Errc::Invalid, "unified resource \"{}\" must be a file name (no slashes)", escaped(file));
  }
  const std::size_t dot = file.find('.');
  if (dot == std::string::npos || dot == 0 || file.find('\0') != std::string::npos) {
    fail(Errc::Invalid, "unified resource \"{}\" must be in the form CONTROLLER.PARAMETER",
         escaped(file));
  }
}

}  // namespace

void check_resources(const Resources& resources) {
  check_memory(resources.memory);
  check_cpu(resources.cpu);
  check_block_io(resources.block_io);
  for (const Resources::HugepageLimit& each : resources.hugepages)
    check_page_size(each.page_size);
  for (const Resources::InterfacePriority& each : resources.network.priorities)
    check_word(each.name, "setting network priorities");
  for (const auto& [device, limits] : resources.rdma)
    check_word(device, "limiting RDMA");
  for (const auto& [file, value] : resources.unified)
    check_unified(file, value);
  (void)device_filter(resources.devices);
}

std::optional<std::uint64_t> swappiness_of(const Resources::Memory& memory) {
  return memory.swappiness == UINT64_MAX ? std::nullopt : memory.swappiness;
}

std::uint64_t cpu_weight(std::uint64_t shares) {
  // The curve of the OCI runtimes (opencontainers/cgroups): the minima, the defaults (1024 and 100)
  // and the maxima of the two scales meet.
  const double power = std::log2(static_cast<double>(shares));
  const double exponent = (power * power + 125.0 * power) / 612.0 - 7.0 / 34.0;
  return static_cast<std::uint64_t>(std::ceil(std::pow(10.0, exponent)));
}

std::uint64_t io_weight(std::uint16_t weight) {
  // Linear, the ends meet: opencontainers/cgroups and the kernel's cgroup-v2.rst.
  return 1 + (std::uint64_t{weight} - 10) * 9999 / 990;
}

void add_shared_settings(const Resources& resources,
                         const std::string& hugepage_suffix,
                         std::vector<CgroupSetting>& settings) {
  if (resources.pids_limit) {
    const std::int64_t limit = *resources.pids_limit;
    settings.push_back(
        {"pids", "pids.max", limit > 0 ? std::to_string(limit) : "max", "processes"});
  }
  for (const Resources::HugepageLimit& each : resources.hugepages) {
    const std::string value = std::to_string(each.limit);
    settings.push_back({"hugetlb", fmt::format("hugetlb.{}{}", each.page_size, hugepage_suffix),
                        value, "huge pages"});
    // Since Linux 5.7: what is reserved counts, not only what is used.
    settings.push_back({"hugetlb",
                        fmt::format("hugetlb.{}.rsvd{}", each.page_size, hugepage_suffix), value,
                        "reserved huge pages", false});
  }
  for (const auto& [device, limits] : resources.rdma) {
    std::string value = device;
    if (limits.handles) value += " hca_handle=" + std::to_string(*limits.handles);
    if (limits.objects) value += " hca_object=" + std::to_string(*limits.objects);
    settings.push_back({"rdma", "rdma.max", value, "RDMA"});
  }
}

}  // namespace layerkit::runner
