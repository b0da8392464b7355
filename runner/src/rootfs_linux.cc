#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

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

void set_attributes(int tree, std::uint64_t attributes, unsigned flags, const std::string& name) {
  mount_attr change{};
  change.attr_set = attributes;
  change.propagation = MS_PRIVATE;
  if (::mount_setattr(tree, "", AT_EMPTY_PATH | flags, &change, sizeof(change)) != 0) {
    fail_errno(errno, "setting the attributes of the mount of {}", quoted(name));
  }
}

}  // namespace

std::uint64_t mount_attributes(const ContainerMount& mount) noexcept {
  std::uint64_t attributes = 0;
  if (mount.no_suid) attributes |= MOUNT_ATTR_NOSUID;
  if (mount.no_dev) attributes |= MOUNT_ATTR_NODEV;
  if (mount.no_exec) attributes |= MOUNT_ATTR_NOEXEC;
  return attributes;
}

Fd clone_bind_source(const ContainerMount& mount, std::uint64_t more_attributes) {
  Fd tree = clone_tree(mount.source.get(), "", AT_EMPTY_PATH | AT_RECURSIVE, mount.source_name);
  std::uint64_t attributes = mount_attributes(mount) | more_attributes;
  if (mount.read_only) attributes |= MOUNT_ATTR_RDONLY;
  set_attributes(tree.get(), attributes, AT_RECURSIVE, mount.source_name);
  return tree;
}

Fd clone_directory(int directory, std::uint64_t attributes) {
  Fd tree = clone_tree(directory, "", AT_EMPTY_PATH, "cgroup");
  set_attributes(tree.get(), attributes, 0, "cgroup");
  return tree;
}

Fd clone_device(const char* path, unsigned major, unsigned minor) {
  Fd tree = clone_tree(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, path);
  struct stat stat {};
  if (::fstat(tree.get(), &stat) != 0) fail_errno(errno, "reading the device {}", quoted(path));
  if (!S_ISCHR(stat.st_mode) || stat.st_rdev != ::makedev(major, minor)) {
    fail(Errc::Unsupported, "reading the device {}: not the character device {}:{}", quoted(path),
         major, minor);
  }
  set_attributes(tree.get(), MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, 0, path);
  return tree;
}

void prepare_rootfs(int rootfs, std::uint64_t attributes) {
  set_attributes(rootfs, attributes, AT_RECURSIVE, "the root file system");
}

}  // namespace layerkit::runner
