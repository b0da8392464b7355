#include "container_start.h"

#include <fcntl.h>
#include <sys/mount.h>

#include <algorithm>
#include <filesystem>

#include "container_resources.h"
#include "layerkit/base/error.h"
#include "layerkit/base/rel_path.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/docker_seccomp_profile.h"
#include "layerkit/imagetool/user_lookup.h"
#include "layerkit/runner/container.h"

namespace layerkit {
namespace {

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

ContainerMount* find_mount(std::vector<ContainerMount>& mounts, std::string_view target) {
  const auto found = std::find_if(mounts.begin(), mounts.end(),
                                  [&](const auto& mount) { return mount.target == target; });
  return found == mounts.end() ? nullptr : &*found;
}

/// The host's own: what is in it belongs to its IPC namespace.
void show_hosts(std::vector<ContainerMount>& mounts, const std::string& path) {
  ContainerMount* const mount = find_mount(mounts, path);
  if (mount == nullptr) return;
  auto source = open_at_if_exists(AT_FDCWD, path, O_PATH | O_DIRECTORY | O_NOFOLLOW);
  if (source) *mount = bind_mount(std::move(*source), path, path);
}

std::vector<ContainerMount> plan_system_mounts(const HostOptions& options) {
  std::vector<ContainerMount> mounts = default_mounts();
  if (options.privileged) {
    for (const char* path : {"/sys", "/sys/fs/cgroup"}) {
      if (ContainerMount* const mount = find_mount(mounts, path))
        mount->attributes.set &= ~static_cast<std::uint64_t>(MOUNT_ATTR_RDONLY);
    }
  }
  if (options.ipc == NamespaceMode::Host) {
    for (const char* path : {"/dev/mqueue", "/dev/shm"})
      show_hosts(mounts, path);
  } else if (options.shm_size) {
    if (ContainerMount* const mount = find_mount(mounts, "/dev/shm"))
      mount->data = {"mode=1777", fmt::format("size={}", *options.shm_size)};
  }
  return mounts;
}

/// The record's own copy, so that no other container is at risk where one gets hold of its own.
void add_init_mount(std::vector<ContainerMount>& mounts,
                    const ContainerStore& store,
                    const ContainerInfo& info) {
  if (!info.options.init) return;
  const Fd record = store.directory(info.id);
  auto mount = bind_mount(open_at(record.get(), kInitFile, O_PATH | O_NOFOLLOW),
                          store.path(info.id) + "/" + kInitFile, kInitPath);
  mount.recursive_attributes.set |= MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
  mounts.push_back(std::move(mount));
}

std::vector<ContainerMount> plan_mounts(const ContainerStore& store, const ContainerInfo& info) {
  std::vector<ContainerMount> defaults = plan_system_mounts(info.options);
  add_file_mounts(defaults, store, info);
  add_init_mount(defaults, store, info);
  std::vector<ContainerMount> wanted;
  add_volume_mounts(wanted, store, info);
  for (const auto& tmpfs : info.options.tmpfs)
    wanted.push_back(tmpfs_mount(tmpfs));
  add_binds(wanted, info);
  return combine_mounts(std::move(defaults), std::move(wanted));
}

/// The process's own group first, as docker has it since CVE-2022-36109: without it a program could
/// leave the group and gain what is denied to it.
std::vector<std::uint32_t> supplementary_groups(const ContainerUser& user,
                                                const std::vector<std::string>& more,
                                                const RootDir& rootfs) {
  std::vector<std::uint32_t> groups = {user.gid};
  const auto add = [&](std::uint32_t gid) {
    if (std::find(groups.begin(), groups.end(), gid) == groups.end()) groups.push_back(gid);
  };
  for (const auto gid : user.additional_gids)
    add(gid);
  for (const auto& group : more)
    add(find_group(rootfs, group));
  return groups;
}

std::vector<std::string> planned_capabilities(const HostOptions& options) {
  // As docker: nothing is taken from a privileged container.
  if (options.privileged) return bounding_capabilities();
  return effective_capabilities(default_capabilities(), options.cap_add, options.cap_drop);
}

std::vector<std::string> planned_command(const ContainerInfo& info) {
  std::vector<std::string> command = info.config.command_line();
  if (info.options.init) command.insert(command.begin(), {kInitPath, "--"});
  return command;
}

void plan_namespaces(const HostOptions& options, Namespaces& namespaces) {
  const auto plan = [](bool is_hosts, Namespace& planned) {
    if (is_hosts) planned.from = Namespace::From::Caller;
  };
  plan(options.network == NetworkMode::Host, namespaces.network);
  plan(options.pid == NamespaceMode::Host, namespaces.pid);
  plan(options.ipc == NamespaceMode::Host, namespaces.ipc);
  plan(options.uts == NamespaceMode::Host, namespaces.uts);
  plan(options.cgroup == NamespaceMode::Host, namespaces.cgroup);
}

ProcessSpec plan_process(const ContainerInfo& info, const RootDir& rootfs) {
  const ContainerUser user = find_user(rootfs, info.config.user);
  ProcessSpec process;
  process.args = planned_command(info);
  process.env = process_environment(info.config, user.home);
  process.cwd = info.config.working_dir.empty() ? "/" : info.config.working_dir;
  process.uid = user.uid;
  process.gid = user.gid;
  process.additional_gids = supplementary_groups(user, info.options.group_add, rootfs);
  process.capabilities = capabilities_of(planned_capabilities(info.options), user.uid);
  process.rlimits = info.options.ulimits;
  process.no_new_privileges = info.options.security.no_new_privileges;
  // Without AppArmor there is nothing to be free of.
  if (has_apparmor()) process.apparmor_profile = info.options.security.apparmor;
  process.oom_score_adj = info.options.oom_score_adj;
  process.terminal = info.config.tty;
  return process;
}

}  // namespace

/// A profile that was asked for is kept by a privileged container, too, as docker has it.
std::optional<SeccompProfile> planned_seccomp(const HostOptions& options) {
  const SecurityOptions& security = options.security;
  if (security.is_seccomp_unconfined()) return std::nullopt;
  auto capabilities = planned_capabilities(options);
  if (!security.seccomp.empty()) {
    return parse_docker_seccomp_profile(security.seccomp, "the container's seccomp profile",
                                        seccomp_target(std::move(capabilities)));
  }
  if (options.privileged) return std::nullopt;
  return default_seccomp_profile(capabilities);
}

ProcessSpec plan_command(const ContainerInfo& info,
                         const ContainerCommand& command,
                         const RootDir& rootfs) {
  // The container as if it had been made for this command.
  ContainerInfo joined = info;
  joined.options.init = false;
  joined.options.privileged = info.options.privileged || command.privileged;
  joined.config.entrypoint.clear();
  joined.config.cmd = command.args;
  joined.config.tty = command.tty;
  for (const std::string& variable : command.env)
    set_environment(joined.config.env, variable);
  if (!command.user.empty()) joined.config.user = command.user;
  if (!command.working_dir.empty()) joined.config.working_dir = command.working_dir;
  return plan_process(joined, rootfs);
}

StartPlan plan_start(const ContainerStore& store,
                     const ContainerInfo& info,
                     Fd rootfs,
                     const std::string& network) {
  const HostOptions& options = info.options;
  StartPlan plan;
  plan.rootfs = std::move(rootfs);
  const RootDir root(open_at(plan.rootfs.get(), ".", O_PATH | O_DIRECTORY));
  plan.spec.id = info.id;
  // It has the host's name then.
  if (options.uts == NamespaceMode::Private) plan.spec.hostname = info.config.hostname;
  plan.spec.process = plan_process(info, root);
  plan_namespaces(options, plan.spec.namespaces);
  if (!network.empty()) plan.spec.namespaces.network = {Namespace::From::Path, network};
  plan.spec.mounts = plan_mounts(store, info);
  if (!options.privileged && !options.security.system_paths_unconfined) {
    plan.spec.masked_paths = default_masked_paths();
    plan.spec.read_only_paths = default_read_only_paths();
  }
  plan.spec.read_only_rootfs = options.read_only_rootfs;
  plan.spec.sysctls = options.sysctls;
  plan.spec.resources = plan_resources(options);
  plan.spec.devices = plan_devices(options, plan.spec.resources.devices);
  plan.spec.seccomp = planned_seccomp(options);
  plan.spec.seccomp_cache = store.images().root() + "/seccomp";
  plan.spec.cgroups_path = cgroups_path_of(info);
  return plan;
}

}  // namespace layerkit
