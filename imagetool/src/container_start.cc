#include "container_start.h"

#include <fcntl.h>
#include <sys/mount.h>

#include <algorithm>
#include <filesystem>
#include <limits>

#include "layerkit/base/error.h"
#include "layerkit/base/rel_path.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/user_lookup.h"

namespace layerkit {
namespace {

constexpr std::uint64_t kCpuPeriodUs = 100'000;

ContainerMount bind_mount(Fd source, std::string source_name, const std::string& target) {
  ContainerMount mount;
  mount.type = "bind";
  mount.target = target;
  mount.source = std::move(source_name);
  mount.source_fd = std::move(source);
  return mount;
}

/// /etc/hosts and its like, from the record; read-only with the root, as docker has them.
void add_file_mounts(std::vector<ContainerMount>& mounts,
                     const ContainerStore& store,
                     const ContainerInfo& info) {
  const Fd record = store.directory(info.id);
  for (const char* file : {"hostname", "hosts", "resolv.conf"}) {
    auto mount = bind_mount(open_at(record.get(), file, O_PATH | O_NOFOLLOW),
                            store.path(info.id) + "/" + file, std::string("/etc/") + file);
    if (info.options.read_only_rootfs) mount.recursive_attributes.set |= MOUNT_ATTR_RDONLY;
    mounts.push_back(std::move(mount));
  }
}

void add_volume_mounts(std::vector<ContainerMount>& mounts,
                       const ContainerStore& store,
                       const ContainerInfo& info) {
  for (const auto& volume : info.volumes) {
    const Fd record = store.directory(info.id);
    const Fd volumes = open_dir_at(record.get(), "volumes");
    mounts.push_back(
        bind_mount(open_at(volumes.get(), volume.name, O_PATH | O_DIRECTORY | O_NOFOLLOW),
                   store.path(info.id) + "/volumes/" + volume.name, volume.destination));
  }
}

void add_binds(std::vector<ContainerMount>& mounts, const ContainerInfo& info) {
  for (const auto& bind : info.options.binds) {
    // The user's own path: its symlinks mean what they mean on the host.
    auto mount = bind_mount(open_at(AT_FDCWD, bind.source, O_PATH), bind.source, bind.destination);
    if (bind.access == MountAccess::ReadOnly) mount.recursive_attributes.set |= MOUNT_ATTR_RDONLY;
    mounts.push_back(std::move(mount));
  }
}

/// What the user mounts replaces a default mount on the same place; parents come before children.
std::vector<ContainerMount> combine_mounts(std::vector<ContainerMount> defaults,
                                           std::vector<ContainerMount> wanted) {
  std::erase_if(defaults, [&](const ContainerMount& mount) {
    return std::any_of(wanted.begin(), wanted.end(),
                       [&](const ContainerMount& other) { return other.target == mount.target; });
  });
  std::stable_sort(wanted.begin(), wanted.end(), [](const auto& a, const auto& b) {
    return std::count(a.target.begin(), a.target.end(), '/') <
           std::count(b.target.begin(), b.target.end(), '/');
  });
  std::move(wanted.begin(), wanted.end(), std::back_inserter(defaults));
  return defaults;
}

std::vector<ContainerMount> plan_mounts(const ContainerStore& store, const ContainerInfo& info) {
  std::vector<ContainerMount> defaults = default_mounts();
  add_file_mounts(defaults, store, info);
  std::vector<ContainerMount> wanted;
  add_volume_mounts(wanted, store, info);
  for (const auto& tmpfs : info.options.tmpfs)
    wanted.push_back(tmpfs_mount(tmpfs));
  add_binds(wanted, info);
  return combine_mounts(std::move(defaults), std::move(wanted));
}

std::int64_t signed_limit(std::uint64_t limit) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::int64_t>::max();
  return static_cast<std::int64_t>(std::min(limit, kMost));
}

Resources plan_resources(const HostOptions& options) {
  Resources resources;
  if (options.memory) resources.memory.limit = signed_limit(*options.memory);
  resources.memory.swap = options.memory_swap;
  // Docker's default: as much swap as memory.
  if (options.memory && !options.memory_swap) {
    resources.memory.swap = *resources.memory.limit > std::numeric_limits<std::int64_t>::max() / 2
                                ? -1
                                : *resources.memory.limit * 2;
    resources.memory.swap_is_optional = true;
  }
  if (options.pids_limit) resources.pids_limit = signed_limit(*options.pids_limit);
  if (options.cpu_shares) {
    // The kernel's bounds: docker's daemon and runc clamp, too.
    resources.cpu.shares = std::clamp<std::uint64_t>(*options.cpu_shares, 2, 262'144);
  }
  if (options.nano_cpus) {
    resources.cpu.period = kCpuPeriodUs;
    resources.cpu.quota = *options.nano_cpus * std::int64_t{kCpuPeriodUs} / 1'000'000'000;
  }
  return resources;
}

/// The process's own group first, as docker has it since CVE-2022-36109: without it a program could
/// leave the group and gain what is denied to it.
std::vector<std::uint32_t> supplementary_groups(const ContainerUser& user) {
  std::vector<std::uint32_t> groups = {user.gid};
  for (const auto gid : user.additional_gids) {
    if (std::find(groups.begin(), groups.end(), gid) == groups.end()) groups.push_back(gid);
  }
  return groups;
}

ProcessSpec plan_process(const ContainerInfo& info, const RootDir& rootfs) {
  const ContainerUser user = find_user(rootfs, info.config.user);
  ProcessSpec process;
  process.args = info.config.command_line();
  process.env = process_environment(info.config, user.home);
  process.cwd = info.config.working_dir.empty() ? "/" : info.config.working_dir;
  process.uid = user.uid;
  process.gid = user.gid;
  process.additional_gids = supplementary_groups(user);
  process.capabilities = capabilities_of(
      effective_capabilities(default_capabilities(), info.options.cap_add, info.options.cap_drop),
      user.uid);
  process.rlimits = info.options.ulimits;
  process.no_new_privileges = info.options.no_new_privileges;
  process.oom_score_adj = info.options.oom_score_adj;
  return process;
}

}  // namespace

StartPlan plan_start(const ContainerStore& store, const ContainerInfo& info, Fd rootfs) {
  StartPlan plan;
  plan.rootfs = std::move(rootfs);
  const RootDir root(open_at(plan.rootfs.get(), ".", O_PATH | O_DIRECTORY));
  plan.spec.id = info.id;
  plan.spec.hostname = info.config.hostname;
  plan.spec.process = plan_process(info, root);
  if (info.options.network == NetworkMode::Host)
    plan.spec.namespaces.network.from = Namespace::From::Caller;
  plan.spec.mounts = plan_mounts(store, info);
  plan.spec.masked_paths = default_masked_paths();
  plan.spec.read_only_paths = default_read_only_paths();
  plan.spec.read_only_rootfs = info.options.read_only_rootfs;
  plan.spec.sysctls = info.options.sysctls;
  plan.spec.resources = plan_resources(info.options);
  plan.spec.cgroups_path = cgroups_path_of(info);
  return plan;
}

}  // namespace layerkit
