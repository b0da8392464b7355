#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "trees.h"

namespace layerkit::runner {
namespace {

Fd clone_tree(int directory, const char* path, unsigned more_flags, const std::string& name) {
  Fd tree(::open_tree(directory, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | more_flags));
  if (!tree) fail_errno(errno, "copying the mount of {}", quoted(name));
  return tree;
}

void set_attributes(int tree,
                    const MountAttributes& attributes,
                    unsigned long propagation,
                    unsigned flags,
                    const std::string& name) {
  mount_attr change{};
  change.attr_set = attributes.set;
  change.attr_clr = attributes.clear;
  change.propagation = propagation & ~static_cast<unsigned long>(MS_REC);
  if (::mount_setattr(tree, "", AT_EMPTY_PATH | flags, &change, sizeof(change)) != 0) {
    fail_errno(errno, "setting the attributes of the mount of {}", quoted(name));
  }
}

void map_owners(int tree, const Fd& owners, const ContainerMount& mount) {
  mount_attr change{};
  change.attr_set = MOUNT_ATTR_IDMAP;
  change.userns_fd = static_cast<__u64>(owners.get());
  const unsigned flags = mount.maps_recursively ? AT_RECURSIVE : 0U;
  if (::mount_setattr(tree, "", AT_EMPTY_PATH | flags, &change, sizeof(change)) != 0)
    fail_errno(errno, "mapping the owners of the mount of {}", quoted(mount.source));
}

}  // namespace

Fd clone_bind_source(const ContainerMount& mount, const Fd& owners, std::uint64_t more_attributes) {
  const unsigned recursive = mount.recursive ? AT_RECURSIVE : 0U;
  Fd tree = clone_tree(mount.source_fd.get(), "", AT_EMPTY_PATH | recursive, mount.source);
  if (owners) map_owners(tree.get(), owners, mount);
  MountAttributes all = mount.recursive_attributes;
  all.set |= more_attributes;
  // Unless asked for, no mount event of the host gets in, and none out.
  const unsigned long propagation =
      mount.propagation != 0 ? mount.propagation : static_cast<unsigned long>(MS_PRIVATE);
  set_attributes(tree.get(), all, propagation, recursive, mount.source);
  if (mount.attributes.set != 0 || mount.attributes.clear != 0)
    set_attributes(tree.get(), mount.attributes, 0, 0, mount.source);
  return tree;
}

Fd clone_directory(int directory, std::uint64_t attributes) {
  Fd tree = clone_tree(directory, "", AT_EMPTY_PATH, "cgroup");
  set_attributes(tree.get(), {attributes, 0}, MS_PRIVATE, 0, "cgroup");
  return tree;
}

Fd clone_device(const ContainerDevice& device) {
  Fd tree = clone_tree(AT_FDCWD, device.path.c_str(), AT_SYMLINK_NOFOLLOW, device.path);
  struct stat stat {};
  if (::fstat(tree.get(), &stat) != 0)
    fail_errno(errno, "reading the device {}", quoted(device.path));
  const mode_t type = device.type == 'b' ? S_IFBLK : S_IFCHR;
  if ((stat.st_mode & S_IFMT) != type || stat.st_rdev != ::makedev(device.major, device.minor)) {
    fail(Errc::Unsupported, "reading the device {}: not the {} device {}:{}", quoted(device.path),
         device.type == 'b' ? "block" : "character", device.major, device.minor);
  }
  set_attributes(tree.get(), {MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, 0}, MS_PRIVATE, 0,
                 device.path);
  return tree;
}

Fd DeviceNodes::make(const ContainerDevice& device, std::uint32_t uid, std::uint32_t gid) {
  if (failed_) return {};
  failed_ = true;
  if (!directory_) {
    const Fd context(::fsopen("tmpfs", FSOPEN_CLOEXEC));
    if (!context || ::fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0)
      return {};
    directory_ = Fd(::fsmount(context.get(), FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID));
    if (!directory_) return {};
  }
  const std::string name = std::to_string(count_++);
  const mode_t mode = device.mode | (device.type == 'b' ? S_IFBLK : S_IFCHR);
  if (::mknodat(directory_.get(), name.c_str(), mode, ::makedev(device.major, device.minor)) != 0 ||
      ::fchmodat(directory_.get(), name.c_str(), device.mode, 0) != 0 ||
      ::fchownat(directory_.get(), name.c_str(), uid, gid, AT_SYMLINK_NOFOLLOW) != 0) {
    return {};
  }
  Fd tree(::open_tree(directory_.get(), name.c_str(),
                      OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW));
  if (!tree) return {};
  failed_ = false;
  set_attributes(tree.get(), {MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, 0}, MS_PRIVATE, 0,
                 device.path);
  return tree;
}

void prepare_rootfs(int rootfs, std::uint64_t attributes, unsigned long propagation) {
  const unsigned long wanted = (propagation & MS_SLAVE) != 0 ? MS_SLAVE : MS_PRIVATE;
  set_attributes(rootfs, {attributes, 0}, wanted, AT_RECURSIVE, "the root file system");
}

}  // namespace layerkit::runner
