#include <linux/mempolicy.h>
#include <sys/mount.h>

#include <algorithm>
#include <cstdint>
#include <set>
#include <string>

#include "oci_fuzz_meaning.h"
#include "oci_fuzz_require.h"
#include "spec_check.h"

namespace layerkit::testing {
namespace {

constexpr std::uint32_t kNobody = UINT32_MAX;
/// What a device number has room for: MAJOR and MINOR of the kernel.
constexpr std::uint64_t kMajors = 1U << 12U;
constexpr std::uint64_t kMinors = 1U << 20U;
constexpr std::uint64_t kMountAttributes =
    MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC |
    MOUNT_ATTR__ATIME | MOUNT_ATTR_NODIRATIME | MOUNT_ATTR_NOSYMFOLLOW;

bool overlaps(std::uint64_t a, std::uint64_t b, std::uint64_t size_a, std::uint64_t size_b) {
  return a < b + size_b && b < a + size_a;
}

/// user_namespaces(7).
void require_mappings(const std::vector<IdMapping>& mappings) {
  require(mappings.size() <= 340, "there are more mappings than the kernel takes");
  for (std::size_t i = 0; i < mappings.size(); ++i) {
    const IdMapping& one = mappings[i];
    require(one.size > 0, "a mapping is empty");
    require(std::uint64_t{one.container_id} + one.size <= kNobody &&
                std::uint64_t{one.host_id} + one.size <= kNobody,
            "a mapping goes beyond 32 bits");
    for (std::size_t j = 0; j < i; ++j) {
      const IdMapping& other = mappings[j];
      require(!overlaps(one.container_id, other.container_id, one.size, other.size) &&
                  !overlaps(one.host_id, other.host_id, one.size, other.size),
              "mappings overlap");
    }
  }
}

void require_attributes(const MountAttributes& attributes) {
  require(((attributes.set | attributes.clear) & ~kMountAttributes) == 0,
          "an attribute of a mount is not known");
  require((attributes.set & attributes.clear & ~std::uint64_t{MOUNT_ATTR__ATIME}) == 0,
          "an attribute of a mount is set and cleared");
}

bool is_propagation(unsigned long flags) {
  const unsigned long kind = flags & ~static_cast<unsigned long>(MS_REC);
  return kind == 0
             ? flags == 0
             : kind == MS_PRIVATE || kind == MS_SHARED || kind == MS_SLAVE || kind == MS_UNBINDABLE;
}

bool is_absolute(const std::string& path) {
  return path.starts_with('/') && path.find('\0') == std::string::npos;
}

void require_mount(const ContainerMount& mount) {
  require(is_absolute(mount.target), "the target of a mount is not absolute");
  require(!mount.type.empty(), "a mount has no type");
  require_attributes(mount.attributes);
  require_attributes(mount.recursive_attributes);
  require(is_propagation(mount.propagation), "the propagation of a mount is none");
  require(mount.uid_mappings.empty() == mount.gid_mappings.empty() &&
              (mount.uid_mappings.empty() || (mount.is_id_mapped && mount.type == "bind")),
          "a mount has mappings that it cannot have");
  require_mappings(mount.uid_mappings);
  require_mappings(mount.gid_mappings);
  require(!mount.copies_up || mount.type == "tmpfs", "a mount copies up that is no tmpfs");
}

void require_device(const ContainerDevice& device) {
  require(is_absolute(device.path), "the path of a device is not absolute");
  require(device.type == 'c' || device.type == 'b' || device.type == 'p', "no type of device");
  require(device.major < kMajors && device.minor < kMinors, "a device number is cut off");
  require(device.mode <= 07777, "the mode of a device is none");
  require(device.uid != kNobody && device.gid != kNobody, "nobody owns a device");
}

void require_scheduler(const Scheduler& scheduler) {
  constexpr std::uint32_t kFifo = 1;
  constexpr std::uint32_t kRoundRobin = 2;
  constexpr std::uint32_t kDeadline = 6;
  const bool is_real_time = scheduler.policy == kFifo || scheduler.policy == kRoundRobin;
  require(scheduler.policy <= kDeadline && scheduler.flags <= 0x7f, "no policy of a scheduler");
  require(scheduler.nice >= -20 && scheduler.nice <= 19, "a niceness is out of range");
  require(
      is_real_time ? scheduler.priority >= 1 && scheduler.priority <= 99 : scheduler.priority == 0,
      "a policy has a priority that it cannot have");
  const std::uint64_t runtime = scheduler.runtime.value_or(0);
  require(scheduler.policy == kDeadline
              ? runtime >= 1024 && runtime <= scheduler.deadline &&
                    (scheduler.period == 0 || scheduler.deadline <= scheduler.period)
              : runtime == 0 && scheduler.deadline == 0 && scheduler.period == 0,
          "a policy has times that it cannot have");
}

void require_capabilities(const Capabilities& sets) {
  const auto known = capability_names();
  const auto has = [](const auto& list, const std::string& name) {
    return std::find(list.begin(), list.end(), name) != list.end();
  };
  for (const auto* set :
       {&sets.bounding, &sets.effective, &sets.permitted, &sets.inheritable, &sets.ambient})
    for (const std::string& name : *set)
      require(has(known, name), "a capability is not known");
  for (const std::string& name : sets.ambient)
    require(has(sets.permitted, name) && has(sets.inheritable, name),
            "an ambient capability cannot be raised");
}

void require_hooks(const Hooks& hooks) {
  for (const auto* list : {&hooks.prestart, &hooks.create_runtime, &hooks.create_container,
                           &hooks.start_container, &hooks.poststart, &hooks.poststop})
    for (const Hook& hook : *list)
      require(is_absolute(hook.path) && hook.timeout != 0U, "a hook cannot be run");
}

void require_sysctls(const ContainerSpec& spec) {
  const auto is_own = [](const Namespace& wanted) {
    return wanted.from != Namespace::From::Caller;
  };
  std::set<std::string> paths;
  for (const auto& [name, value] : spec.sysctls) {
    const std::string path = runner::sysctl_path(name);
    require(paths.insert(path).second, "a sysctl is there by two names");
    require(("/" + path + "/").find("/../") == std::string::npos && !path.starts_with('/'),
            "a sysctl leads elsewhere");
    const bool is_fine =
        path.starts_with("net/")         ? is_own(spec.namespaces.network)
        : path == "kernel/domainname"    ? is_own(spec.namespaces.uts)
        : path.starts_with("fs/mqueue/") ? is_own(spec.namespaces.ipc)
        : path.starts_with("kernel/msg") || path.starts_with("kernel/shm") || path == "kernel/sem"
            ? is_own(spec.namespaces.ipc)
            : false;
    require(is_fine, "a sysctl is the host's");
  }
}

void require_throttles(const std::vector<Resources::ThrottleDevice>& list) {
  for (const auto& each : list)
    require(each.major < kMajors && each.minor < kMinors, "a device number is cut off");
}

void require_resources(const Resources& resources) {
  const auto is_limit = [](const std::optional<std::int64_t>& value) {
    return !value || *value >= -1;
  };
  const Resources::Memory& memory = resources.memory;
  require(is_limit(memory.limit) && is_limit(memory.swap) && is_limit(memory.reservation) &&
              is_limit(memory.kernel_tcp) && is_limit(resources.cpu.quota),
          "a limit is negative");
  const Resources::BlockIo& io = resources.block_io;
  for (const auto& each : io.weight_devices)
    require(each.major < kMajors && each.minor < kMinors, "a device number is cut off");
  for (const auto* list : {&io.read_bps, &io.write_bps, &io.read_iops, &io.write_iops})
    require_throttles(*list);
  for (const auto& [file, value] : resources.unified)
    require(file.find('/') == std::string::npos && file.find('.') != std::string::npos,
            "a limit goes to no file of a cgroup");
  for (const auto& rule : resources.devices)
    require(rule.access.find_first_not_of("rwm") == std::string::npos && !rule.access.empty() &&
                rule.major.value_or(0) >= 0 && rule.minor.value_or(0) >= 0,
            "a device rule is none");
}

void require_names(const ContainerSpec& spec) {
  require(spec.hostname.size() <= 64 && spec.domainname.size() <= 64, "a name is too long");
  const bool has_uts = spec.namespaces.uts.from != Namespace::From::Caller;
  require((spec.hostname.empty() && spec.domainname.empty()) || has_uts,
          "a name without a namespace for it");
}

}  // namespace

void require_sane(const ProcessSpec& process) {
  require(!process.args.empty() && !process.args.front().empty(), "there is no program");
  require(is_absolute(process.cwd), "the working directory is not absolute");
  for (const std::string& variable : process.env)
    require(variable.find('=') != std::string::npos && variable.front() != '=',
            "a variable has no name");
  require(process.uid != kNobody && process.gid != kNobody, "the user is nobody");
  for (const std::uint32_t gid : process.additional_gids)
    require(gid != kNobody, "a group is nobody's");
  require(process.umask.value_or(0) <= 0777, "a umask is none");
  require(process.oom_score_adj.value_or(0) >= -1000 && process.oom_score_adj.value_or(0) <= 1000,
          "an OOM score is out of range");
  std::set<int> limits;
  for (const Rlimit& limit : process.rlimits)
    require(limits.insert(limit.resource).second && limit.soft <= limit.hard && limit.resource < 16,
            "a limit is there twice or contradicts itself");
  if (process.scheduler) require_scheduler(*process.scheduler);
  if (process.io_priority)
    require((*process.io_priority >> 13) >= 1 && (*process.io_priority >> 13) <= 3 &&
                (*process.io_priority & 0x1fff) <= 7,
            "an I/O priority is none");
  require_capabilities(process.capabilities);
}

void require_sane(const ContainerSpec& spec) {
  require_sane(spec.process);
  require_names(spec);
  require_hooks(spec.hooks);
  require_sysctls(spec);
  require_resources(spec.resources);
  for (const ContainerMount& mount : spec.mounts)
    require_mount(mount);
  for (const ContainerDevice& device : spec.devices)
    require_device(device);
  require_mappings(spec.uid_mappings);
  require_mappings(spec.gid_mappings);
  require(spec.uid_mappings.empty() == !spec.namespaces.user.is_new(),
          "mappings without a user namespace, or one without");
  for (const std::string& path : spec.masked_paths)
    require(is_absolute(path) && path.find_first_not_of("/.") != std::string::npos,
            "a masked path is not absolute, or the root");
  for (const std::string& path : spec.read_only_paths)
    require(is_absolute(path), "a read-only path is not absolute");
  require((!spec.monotonic_offset && !spec.boottime_offset) || spec.namespaces.time.is_new(),
          "time offsets without a time namespace");
  for (const auto& offset : {spec.monotonic_offset, spec.boottime_offset})
    require(!offset || offset->nanosecs < 1'000'000'000, "more nanoseconds than a second has");
  require(is_propagation(spec.rootfs_propagation), "the propagation of the root is none");
  require(spec.personality.value_or(0) == 0 || *spec.personality == 8, "no personality");
  if (spec.memory_policy)
    require((spec.memory_policy->mode &
             ~(MPOL_F_STATIC_NODES | MPOL_F_RELATIVE_NODES | 1U << 13U)) <= 6,
            "no memory policy");
}

}  // namespace layerkit::testing
