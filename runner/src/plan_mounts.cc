#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>

#include <algorithm>

#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/rel_path.h"
#include "layerkit/base/text.h"
#include "plan.h"
#include "process.h"
#include "trees.h"

namespace layerkit::runner {
namespace {

TargetPlace place_of(const RelPath& target) {
  static const RelPath proc = RelPath::parse("proc");
  static const RelPath sys = RelPath::parse("sys");
  if (proc.contains(target)) return TargetPlace::BelowProc;
  return sys.contains(target) ? TargetPlace::BelowSys : TargetPlace::Ordinary;
}

std::string mount_name(const std::string& what, const std::string& target) {
  return "mounting " + quoted(what) + " on " + quoted(target);
}

}  // namespace

std::span<const FsOption> Plan::keep_options(const std::string& source,
                                             const std::vector<std::string>& data) {
  std::vector<FsOption>& options = fs_options_.emplace_back();
  options.push_back({"source", keep_text(source)});
  for (const std::string& option : data) {
    const std::size_t equals = option.find('=');
    const std::string key = option.substr(0, equals);
    if (equals == std::string::npos) {
      options.push_back({keep_text(key), nullptr});
      continue;
    }
    const std::string value = option.substr(equals + 1);
    // A group that does not exist in the user namespace would be refused (devpts' gid=5).
    const bool is_unmapped_group =
        key == "gid" && !maps_group(static_cast<std::uint32_t>(parse_decimal(value).value_or(0)));
    if (!is_unmapped_group) options.push_back({keep_text(key), keep_text(value)});
  }
  return options;
}

void Plan::plan_mounts(const Cgroup& cgroup) {
  for (ContainerMount& mount : spec_.mounts) {
    if (mount.type == "sysfs" && !may_mount_sysfs()) show_host_sysfs(mount);
    plan_mount(mount);
    if (mount.type == "cgroup") plan_cgroup_mount(mount, cgroup);
  }
  mount_fds_.assign(mounts_.size(), -1);
  flat_.mounts = mounts_;
  flat_.mount_fds = mount_fds_;
  plan_devices();
  flat_.links = links_;
}

/// A user namespace with the mappings of the mount, or else that of the container; unset for a
/// mount that shows owners as they are.
Fd Plan::owners_of(const ContainerMount& mount) const {
  if (!mount.is_id_mapped) return {};
  const bool own = !mount.uid_mappings.empty();
  const std::vector<IdMapping>& uids = own ? mount.uid_mappings : spec_.uid_mappings;
  const std::vector<IdMapping>& gids = own ? mount.gid_mappings : spec_.gid_mappings;
  if (!own && spec_.namespaces.user.is_joined()) {
    for (const PlannedJoin& join : namespaces_) {
      if (join.type == CLONE_NEWUSER) return Fd(::fcntl(join.fd, F_DUPFD_CLOEXEC, 3));
    }
  }
  if (uids.empty() || gids.empty())
    fail(Errc::Invalid, "mounting {} on {}: mapping owners needs mappings, and there are none",
         quoted(mount.source), quoted(mount.target));
  return make_user_namespace(uids, gids);
}

/// A sysfs shows a network namespace: it is mounted by who owns that.
bool Plan::may_mount_sysfs() const noexcept {
  const Namespaces& all = spec_.namespaces;
  return all.user.from == Namespace::From::Caller || all.network.from != Namespace::From::Caller;
}

void Plan::show_host_sysfs(ContainerMount& mount) {
  mount.type = "bind";
  mount.source = "/sys";
  mount.source_fd = open_at(AT_FDCWD, mount.source, O_PATH | O_DIRECTORY);
  mount.recursive = true;
  mount.data.clear();
  // What is mounted below it is the host's, too.
  mount.recursive_attributes.set |= mount.attributes.set;
}

void Plan::plan_mount(ContainerMount& mount) {
  const RelPath target = RelPath::parse(mount.target);
  PlannedMount planned;
  if (mount.type == "cgroup") {
    planned.filesystem = "tmpfs";
  } else if (mount.type != "bind") {
    planned.filesystem = mount.type.c_str();
  }
  // The root itself is mounted on, too: what comes after it lands there.
  planned.target = keep_text(target.is_root() ? "." : target.str());
  planned.place = place_of(target);
  planned.refuses_symlink = mount.type == "proc" || mount.type == "sysfs";
  planned.covers_symlink = !mount.follows_target;
  const bool needs_nodev = !allows_devices_ && mount.type != "devpts";
  const std::uint64_t more = needs_nodev ? MOUNT_ATTR_NODEV : 0U;
  if (planned.filesystem == nullptr) {
    const FileType type = stat_fd(mount.source_fd.get()).type;
    planned.target_is_directory = type == FileType::Directory;
    if (mount.copies_symlink && type == FileType::Symlink) {
      planned.link = keep_text(read_link_at(mount.source_fd.get(), ""));
    } else {
      planned.tree = keep_fd(clone_bind_source(mount, owners_of(mount), more));
    }
    mount.source_fd.reset();
  } else {
    planned.options = keep_options(mount.source, mount.data);
    planned.copies_up = mount.copies_up;
    planned.keeps_mode = mount.type == "tmpfs" && std::none_of(mount.data.begin(), mount.data.end(),
                                                               [](const std::string& option) {
                                                                 return option.starts_with("mode=");
                                                               });
    // Only after other mounts found or made their targets in it.
    const std::uint64_t attributes = mount.attributes.set | mount.recursive_attributes.set;
    planned.read_only_at_end = (attributes & MOUNT_ATTR_RDONLY) != 0;
    planned.attributes = (attributes & ~std::uint64_t{MOUNT_ATTR_RDONLY}) | more;
    // In a tree that is mounted nowhere it cannot be made so later. That of cgroups stays writable,
    // since directories are made in it; what is mounted on those is read-only.
    if (planned.read_only_at_end && !flat_.owns_mounts) {
      if (mount.type == "tmpfs")
        fail(Errc::Unsupported, "mounting 'tmpfs' on {} read-only: it takes a mount namespace",
             quoted(mount.target));
      planned.read_only_at_end = false;
      planned.attributes |= mount.type == "cgroup" ? 0U : MOUNT_ATTR_RDONLY;
    }
    planned.propagation = mount.propagation;
  }
  mount_names_.push_back(
      mount_name(planned.filesystem == nullptr ? mount.source : mount.type, mount.target));
  mounts_.push_back(planned);
}

/// v2: the container's own cgroup directory instead of the tmpfs just planned. v1: one directory
/// per hierarchy in that tmpfs. Without a cgroup it stays empty.
void Plan::plan_cgroup_mount(const ContainerMount& mount, const Cgroup& cgroup) {
  const std::size_t parent = mounts_.size() - 1;
  const std::uint64_t attributes =
      mounts_[parent].attributes | (mounts_[parent].read_only_at_end ? MOUNT_ATTR_RDONLY : 0U);
  mounts_[parent].options = keep_options("cgroup", {"mode=755", "size=64k"});
  for (const CgroupView& view : cgroup.views()) {
    PlannedMount planned;
    planned.tree = keep_fd(clone_directory(view.directory, attributes));
    planned.place = mounts_[parent].place;
    if (view.name.empty()) {
      planned.target = mounts_[parent].target;
      mounts_[parent] = planned;
      return;
    }
    planned.target = keep_text(std::string(mounts_[parent].target) + "/" + view.name);
    mounts_.push_back(planned);
    mount_names_.push_back(mount_name("cgroup " + view.name, mount.target + "/" + view.name));
    for (const std::string& alias : view.aliases) {
      links_.push_back(PlannedLink{parent, keep_text(alias), keep_text(view.name)});
    }
  }
}

}  // namespace layerkit::runner
