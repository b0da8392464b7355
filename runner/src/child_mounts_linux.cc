#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "child.h"

namespace layerkit::runner {
namespace {

constexpr ino_t kProcRoot = 1;  ///< PROC_ROOT_INO

void close_fd(int fd) noexcept {
  ::syscall(SYS_close, fd);
}

long attach(int tree, int target) noexcept {
  return ::syscall(SYS_move_mount, tree, "", target, "",
                   MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

long copy_tree(int source, unsigned flags) noexcept {
  return ::syscall(SYS_open_tree, source, "",
                   OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | flags);
}

long add_attributes(int tree, std::uint64_t attributes, unsigned flags) noexcept {
  mount_attr change{};
  change.attr_set = attributes;
  return ::syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | flags, &change, sizeof(change));
}

/// A new, detached file system; -1 and errno. `mode`: that of its root, unless null.
long new_filesystem(const char* type,
                    std::span<const FsOption> options,
                    std::uint64_t attributes,
                    const char* mode = nullptr) noexcept {
  const long context = ::syscall(SYS_fsopen, type, FSOPEN_CLOEXEC);
  if (context < 0) return -1;
  long result = 0;
  if (mode != nullptr)
    result = ::syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, "mode", mode, 0);
  for (const FsOption& option : options) {
    if (result < 0) break;
    const unsigned command = option.value != nullptr ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG;
    result = ::syscall(SYS_fsconfig, context, command, option.key, option.value, 0);
  }
  if (result == 0) {
    result = ::syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, nullptr, nullptr, 0);
  }
  if (result == 0) result = ::syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, attributes);
  const int error = errno;
  ::syscall(SYS_close, context);
  errno = error;
  return result;
}

/// The host's null device, seen before the host's mounts go: whatever /dev/null the image brings,
/// masked files must not become that (CVE-2025-31133).
int open_host_null(const ChildPlan& plan) noexcept {
  if (plan.masked_paths.empty()) return -1;
  const long fd = ::syscall(SYS_openat, AT_FDCWD, "/dev/null", O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
  check(plan, fd, Step::HostNull);
  struct stat stat {};
  check(plan, ::fstat(static_cast<int>(fd), &stat), Step::HostNull);
  if (!S_ISCHR(stat.st_mode) || stat.st_rdev != ::makedev(1, 3)) {
    give_up_because(plan, Step::HostNull, 0, "not the character device 1:3");
  }
  return static_cast<int>(fd);
}

void check_target(const ChildPlan& plan, std::size_t index, int target) noexcept {
  const PlannedMount& mount = plan.mounts[index];
  struct stat stat {};
  check(plan, ::fstat(target, &stat), Step::Mount, index);
  // The words are runc's.
  if (mount.refuses_symlink && S_ISLNK(stat.st_mode))
    give_up_because(plan, Step::Mount, index,
                    "must be mounted on ordinary directory, not on a symlink");
  // move_mount would say EINVAL.
  if (S_ISDIR(stat.st_mode) != mount.target_is_directory) {
    give_up(plan, Step::Mount, index, mount.target_is_directory ? ENOTDIR : EISDIR);
  }
  struct statfs fs {};
  check(plan, ::fstatfs(target, &fs), Step::Mount, index);
  if (fs.f_type == PROC_SUPER_MAGIC && mount.place != TargetPlace::BelowProc) {
    give_up_because(plan, Step::Mount, index, "the target leads into a proc file system");
  }
  if (fs.f_type == PROC_SUPER_MAGIC && S_ISLNK(stat.st_mode))
    give_up_because(plan, Step::Mount, index, "the target is a symlink of a proc file system");
  if (fs.f_type == SYSFS_MAGIC && mount.place != TargetPlace::BelowSys) {
    give_up_because(plan, Step::Mount, index, "the target leads into a sysfs");
  }
}

long set_propagation(int tree, unsigned long propagation) noexcept {
  mount_attr change{};
  change.propagation = propagation & ~static_cast<unsigned long>(MS_REC);
  const unsigned recursive = (propagation & MS_REC) != 0 ? AT_RECURSIVE : 0;
  return ::syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | recursive, &change, sizeof(change));
}

bool is_that_device(int dir, const char* name, const PlannedDevice& device) noexcept {
  struct stat stat {};
  if (::fstatat(dir, name, &stat, AT_SYMLINK_NOFOLLOW) != 0) return false;
  return (stat.st_mode & S_IFMT) == (device.mode & S_IFMT) && stat.st_rdev == device.number;
}

void make_node(const ChildPlan& plan, std::size_t index, int dir, const char* name) noexcept {
  const PlannedDevice& device = plan.devices[index];
  const auto number = static_cast<unsigned>(device.number);
  if (::syscall(SYS_mknodat, dir, name, device.mode, number) != 0) {
    // The rootfs may have brought it.
    if (errno == EEXIST && (device.may_be_there || is_that_device(dir, name, device))) return;
    give_up(plan, Step::Device, index, errno);
  }
  if (device.uid == 0 && device.gid == 0) return;
  check(plan, ::syscall(SYS_fchownat, dir, name, device.uid, device.gid, AT_SYMLINK_NOFOLLOW),
        Step::Device, index);
}

/// A rootfs whose /dev leads elsewhere gets no devices there, though it were inside.
void refuse_linked_dev(const ChildPlan& plan, std::size_t index) noexcept {
  if (plan.has_own_dev) return;
  struct stat stat {};
  if (::fstatat(plan.rootfs, "dev", &stat, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(stat.st_mode))
    give_up_because(plan, Step::Device, index, "'/dev' of the root file system is a symlink");
}

/// By a descriptor of its directory, found in the rootfs: a /dev that is a symlink leads nowhere
/// else (CVE-2026-41579).
void make_device(const ChildPlan& plan, std::size_t index) noexcept {
  const PlannedDevice& device = plan.devices[index];
  const char* name = nullptr;
  const int dir = open_parent(plan.rootfs, device.path, &name);
  check(plan, dir, Step::Device, index);
  refuse_linked_dev(plan, index);
  struct statfs fs {};
  check(plan, ::fstatfs(dir, &fs), Step::Device, index);
  if (fs.f_type == PROC_SUPER_MAGIC || fs.f_type == SYSFS_MAGIC)
    give_up_because(plan, Step::Device, index, "it leads into a proc or sysfs file system");
  if (device.tree < 0) {
    make_node(plan, index, dir, name);
    close_fd(dir);
    return;
  }
  const long file =
      ::syscall(SYS_openat, dir, name, O_CREAT | O_EXCL | O_RDONLY | O_NOFOLLOW | O_CLOEXEC, 0666);
  if (file < 0 && errno == EEXIST && device.may_be_there) {
    close_fd(dir);
    return;
  }
  check(plan, file, Step::Device, index);
  check(plan, attach(device.tree, static_cast<int>(file)), Step::Device, index);
  ::syscall(SYS_close, file);
  close_fd(dir);
}

/// The symlink that a bind of one would show.
void make_link(const ChildPlan& plan, std::size_t index) noexcept {
  const PlannedMount& mount = plan.mounts[index];
  const char* name = nullptr;
  const int dir = open_parent(plan.rootfs, mount.target, &name);
  check(plan, dir, Step::Mount, index);
  if (::syscall(SYS_symlinkat, mount.link, dir, name) != 0 && errno != EEXIST)
    give_up(plan, Step::Mount, index, errno);
  close_fd(dir);
}

/// The mode of what is at `target`, in octal.
struct OctalMode {
  char text[6];
};

OctalMode mode_of(const ChildPlan& plan, std::size_t index, int target) noexcept {
  struct stat stat {};
  check(plan, ::fstat(target, &stat), Step::Mount, index);
  OctalMode mode{};
  for (unsigned i = 0; i < 4; ++i)
    mode.text[i] = static_cast<char>('0' + (stat.st_mode >> 3 * (3 - i) & 7U));
  return mode;
}

/// Into the new file system `tree`.
void copy_up(const ChildPlan& plan, std::size_t index, int tree, int target) noexcept {
  struct stat stat {};
  check(plan, ::fstat(target, &stat), Step::Mount, index);
  const auto root =
      static_cast<int>(::syscall(SYS_openat, tree, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0));
  check(plan, root, Step::Mount, index);
  if (const int error = copy_tree_contents(target, root)) give_up(plan, Step::CopyUp, index, error);
  check(plan, ::syscall(SYS_fchown, root, stat.st_uid, stat.st_gid), Step::CopyUp, index);
  close_fd(root);
}

void attach_mount(const ChildPlan& plan, std::size_t index, int tree, int target) noexcept {
  if (attach(tree, target) == 0) return;
  if (errno == EINVAL && !plan.owns_mounts) {
    give_up_because(plan, Step::Mount, index,
                    "without a mount namespace of the container's own this needs Linux 6.15");
  }
  give_up(plan, Step::Mount, index, errno);
}

/// From now on the mount is the root that paths are resolved in.
void replace_root(const ChildPlan& plan, std::size_t index, int tree) noexcept {
  attach_mount(plan, index, tree, plan.rootfs);
  check(plan, ::syscall(SYS_dup3, tree, plan.rootfs, O_CLOEXEC), Step::Mount, index);
}

void mount_one(const ChildPlan& plan, std::size_t index) noexcept {
  const PlannedMount& mount = plan.mounts[index];
  if (mount.link != nullptr) {
    make_link(plan, index);
    return;
  }
  const bool nofollow = mount.refuses_symlink || mount.covers_symlink;
  bool was_made = false;
  const int target = open_target(plan.rootfs, mount.target, mount.target_is_directory,
                                 nofollow ? O_NOFOLLOW : 0, &was_made);
  check(plan, target, Step::Mount, index);
  check_target(plan, index, target);
  int tree = mount.tree;
  if (mount.filesystem != nullptr) {
    OctalMode mode{};
    const bool takes_mode = mount.keeps_mode && !was_made;
    if (takes_mode) mode = mode_of(plan, index, target);
    tree = static_cast<int>(new_filesystem(mount.filesystem, mount.options, mount.attributes,
                                           takes_mode ? mode.text : nullptr));
    check(plan, tree, Step::Mount, index);
    if (mount.copies_up) copy_up(plan, index, tree, target);
    if (mount.propagation != 0)
      check(plan, set_propagation(tree, mount.propagation), Step::Mount, index);
  }
  plan.mount_fds[index] = tree;
  if (mount.target[0] == '.' && mount.target[1] == '\0') {
    replace_root(plan, index, tree);
  } else {
    attach_mount(plan, index, tree, target);
  }
  close_fd(target);
}

void make_links(const ChildPlan& plan) noexcept {
  for (std::size_t i = 0; i < plan.links.size(); ++i) {
    const PlannedLink& link = plan.links[i];
    const long made = ::syscall(SYS_symlinkat, link.target, plan.mount_fds[link.mount], link.name);
    // A device or a mount of the spec has the name.
    if (made < 0 && errno != EEXIST) give_up(plan, Step::Link, i, errno);
  }
}

/// Shows the object at `target` as an empty one. `empty` is the empty directory that all masked
/// directories share: made, with room for nothing, when the first one needs it.
void mask(const ChildPlan& plan, std::size_t index, int target, int null, int& empty) noexcept {
  constexpr std::uint64_t kAttributes = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC;
  struct stat stat {};
  check(plan, ::fstat(target, &stat), Step::MaskedPath, index);
  long tree = -1;
  if (!S_ISDIR(stat.st_mode)) {
    tree = copy_tree(null, 0);
    check(plan, tree, Step::MaskedPath, index);
    check(plan, add_attributes(static_cast<int>(tree), kAttributes, 0), Step::MaskedPath, index);
  } else if (empty >= 0) {
    tree = copy_tree(empty, 0);
  } else {
    static constexpr FsOption kOptions[] = {
        {"source", "tmpfs"}, {"mode", "0555"}, {"nr_blocks", "1"}, {"nr_inodes", "1"}};
    tree = new_filesystem("tmpfs", kOptions, kAttributes | MOUNT_ATTR_NODEV);
    empty = static_cast<int>(tree);
  }
  check(plan, tree, Step::MaskedPath, index);
  check(plan, attach(static_cast<int>(tree), target), Step::MaskedPath, index);
  if (tree != empty) close_fd(static_cast<int>(tree));
}

void mask_paths(const ChildPlan& plan, int null) noexcept {
  int empty = -1;
  for (std::size_t i = 0; i < plan.masked_paths.size(); ++i) {
    const int target = open_in_root(plan.rootfs, plan.masked_paths[i], O_PATH);
    if (target < 0 && (errno == ENOENT || errno == ENOTDIR)) continue;
    check(plan, target, Step::MaskedPath, i);
    mask(plan, i, target, null, empty);
    close_fd(target);
  }
}

void make_paths_read_only(const ChildPlan& plan) noexcept {
  for (std::size_t i = 0; i < plan.read_only_paths.size(); ++i) {
    const int target = open_in_root(plan.rootfs, plan.read_only_paths[i], O_PATH);
    if (target < 0 && (errno == ENOENT || errno == ENOTDIR)) continue;
    check(plan, target, Step::ReadOnlyPath, i);
    const auto tree = static_cast<int>(copy_tree(target, AT_RECURSIVE));
    check(plan, tree, Step::ReadOnlyPath, i);
    check(plan, add_attributes(tree, MOUNT_ATTR_RDONLY, AT_RECURSIVE), Step::ReadOnlyPath, i);
    check(plan, attach(tree, target), Step::ReadOnlyPath, i);
    close_fd(tree);
    close_fd(target);
  }
}

/// Those that had to stay writable while other mounts were put into them; the rootfs last.
void finish_read_only(const ChildPlan& plan) noexcept {
  for (std::size_t i = 0; i < plan.mounts.size(); ++i) {
    if (!plan.mounts[i].read_only_at_end) continue;
    check(plan, add_attributes(plan.mount_fds[i], MOUNT_ATTR_RDONLY, 0), Step::ReadOnlyMount, i);
  }
  const int cwd = open_target(plan.rootfs, plan.cwd, true, O_DIRECTORY);
  check(plan, cwd, Step::WorkingDirectory);
  close_fd(cwd);
  if (plan.read_only_rootfs) {
    check(plan, add_attributes(plan.rootfs, MOUNT_ATTR_RDONLY, 0), Step::ReadOnlyRootfs);
  }
}

bool is_mount_root(const char* path) noexcept {
  struct statx status {};
  return ::syscall(SYS_statx, AT_FDCWD, path, 0, 0, &status) == 0 &&
         (status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

/// In the container's mount namespace: where the host has it, so that hooks find it, or over "/".
void attach_rootfs(const ChildPlan& plan) noexcept {
  long place = -1;
  if (plan.rootfs_place != nullptr) {
    place = ::syscall(SYS_openat, AT_FDCWD, plan.rootfs_place,
                      O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
    // The root of a user namespace may not reach it.
    if (place < 0 && errno != EACCES) give_up(plan, Step::AttachRootfs, 0, errno);
  }
  if (place < 0) {
    check(plan, ::syscall(SYS_move_mount, plan.rootfs, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH),
          Step::AttachRootfs);
    return;
  }
  check(plan, attach(plan.rootfs, static_cast<int>(place)), Step::AttachRootfs);
  close_fd(static_cast<int>(place));
}

/// In the mount namespace that was joined: trees of another one cannot be mounted on here.
void open_rootfs_anew(const ChildPlan& plan) noexcept {
  const long tree = ::syscall(SYS_open_tree, AT_FDCWD, plan.rootfs_place,
                              OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
  check(plan, tree, Step::AttachRootfs);
  check(plan, set_propagation(static_cast<int>(tree), MS_REC | MS_PRIVATE), Step::AttachRootfs);
  check(plan, add_attributes(static_cast<int>(tree), plan.rootfs_attributes, AT_RECURSIVE),
        Step::AttachRootfs);
  check(plan, ::syscall(SYS_dup3, tree, plan.rootfs, O_CLOEXEC), Step::AttachRootfs);
  close_fd(static_cast<int>(tree));
}

/// Without pivot_root the host's mounts stay in the container's namespace, out of reach; but the
/// kernel lets users of a new user namespace mount a proc or sysfs of their own wherever a whole
/// one is there, with nothing masked.
void hide_kernel_mounts(const ChildPlan& plan) noexcept {
  for (std::size_t i = 0; i < plan.kernel_mounts.size(); ++i) {
    const char* const place = plan.kernel_mounts[i];
    if (::syscall(SYS_umount2, place, MNT_DETACH | UMOUNT_NOFOLLOW) == 0) continue;
    if (errno == ENOENT || errno == EACCES) continue;  // the caller does not see it either
    // In a user namespace the host's mounts can only be covered; one above it has gone already.
    const auto tree = static_cast<int>(new_filesystem("tmpfs", {}, MOUNT_ATTR_RDONLY));
    check(plan, tree, Step::PivotRoot);
    check(plan, ::syscall(SYS_move_mount, tree, "", AT_FDCWD, place, MOVE_MOUNT_F_EMPTY_PATH),
          Step::PivotRoot);
    close_fd(tree);
  }
}

/// Covers "/" for good, so that chroot will do; were "/" no mount point (the caller lives in a
/// chroot), there were a way out.
void change_root(const ChildPlan& plan, int error) noexcept {
  if (!is_mount_root("/")) give_up(plan, Step::PivotRoot, 0, error);
  hide_kernel_mounts(plan);
  if (plan.rootfs_place != nullptr) {
    check(plan, ::syscall(SYS_move_mount, plan.rootfs, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH),
          Step::PivotRoot);
  }
  check(plan, ::syscall(SYS_chroot, "."), Step::PivotRoot);
  check(plan, ::syscall(SYS_chdir, "/"), Step::PivotRoot);
}

/// The rootfs becomes the root; the host's mounts go.
void enter_rootfs(const ChildPlan& plan) noexcept {
  check(plan, ::syscall(SYS_fchdir, plan.rootfs), Step::PivotRoot);
  if (!plan.owns_mounts) {
    // The rootfs and all that is mounted in it are a tree of their own, which goes with this
    // process: nobody else's mounts change (Linux 6.15; before, the mounts in it fail).
    check(plan, ::syscall(SYS_chroot, "."), Step::PivotRoot);
    check(plan, ::syscall(SYS_chdir, "/"), Step::PivotRoot);
    return;
  }
  if (!plan.pivots) {
    change_root(plan, EINVAL);
    return;
  }
  if (::syscall(SYS_pivot_root, ".", ".") == 0) {
    // The old root now lies on top of the new one.
    check(plan, ::syscall(SYS_umount2, ".", MNT_DETACH), Step::PivotRoot);
    check(plan, ::syscall(SYS_chdir, "/"), Step::PivotRoot);
    return;
  }
  // An initramfs cannot be pivoted away.
  if (errno != EINVAL) give_up(plan, Step::PivotRoot, 0, errno);
  change_root(plan, EINVAL);
}

/// Resolved without magic links, and checked to lie in the root: a descriptor of the host's
/// file system must not become the working directory (CVE-2024-21626).
void enter_working_directory(const ChildPlan& plan, int root) noexcept {
  const int cwd = open_in_root(root, plan.cwd, O_PATH | O_DIRECTORY);
  check(plan, cwd, Step::WorkingDirectory);
  check(plan, ::syscall(SYS_fchdir, cwd), Step::WorkingDirectory);
  char path[4096];
  check(plan, ::syscall(SYS_getcwd, path, sizeof(path)), Step::WorkingDirectory);
  if (path[0] != '/') {
    give_up_because(plan, Step::WorkingDirectory, 0, "it lies outside the container");
  }
  close_fd(cwd);
}

/// Where the stub sets the label of its next exec: not in what the container shows as /proc
/// (CVE-2019-16884), unless the user namespace allows no other.
void place_proc(const ChildPlan& plan, int root) noexcept {
  if (plan.proc < 0) return;
  static constexpr FsOption kOwnProcesses[] = {{"subset", "pid"}};
  auto proc = static_cast<int>(new_filesystem(
      "proc", kOwnProcesses, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC));
  if (proc < 0 && errno == EPERM && plan.enters_container) {
    open_how how{};
    how.flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
    how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS;
    proc = static_cast<int>(::syscall(SYS_openat2, root, "proc", &how, sizeof(how)));
    check(plan, proc, Step::PrivateProc);
    struct stat stat {};
    struct statfs fs {};
    check(plan, ::fstat(proc, &stat), Step::PrivateProc);
    check(plan, ::fstatfs(proc, &fs), Step::PrivateProc);
    if (fs.f_type != PROC_SUPER_MAGIC || stat.st_ino != kProcRoot)
      give_up_because(plan, Step::PrivateProc, 0, "the container's '/proc' is not one");
  }
  check(plan, proc, Step::PrivateProc);
  check(plan, ::syscall(SYS_dup3, proc, plan.proc, O_CLOEXEC), Step::PrivateProc);
  close_fd(proc);
}

void write_sysctls(const ChildPlan& plan) noexcept {
  if (plan.sysctls.empty()) return;
  const auto proc = static_cast<int>(new_filesystem("proc", {}, 0));
  check(plan, proc, Step::PrivateProc);
  for (std::size_t i = 0; i < plan.sysctls.size(); ++i) {
    open_how how{};
    how.flags = O_WRONLY | O_CLOEXEC;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS;
    const auto file =
        static_cast<int>(::syscall(SYS_openat2, proc, plan.sysctls[i].path, &how, sizeof(how)));
    check(plan, file, Step::Sysctl, i);
    check(plan, ::syscall(SYS_write, file, plan.sysctls[i].value, plan.sysctls[i].size),
          Step::Sysctl, i);
    close_fd(file);
  }
  close_fd(proc);
}

/// The terminal is the container's /dev/console, too.
int make_console(const ChildPlan& plan) noexcept {
  const int slave = open_terminal(plan, plan.rootfs);
  const auto tree = static_cast<int>(copy_tree(slave, 0));
  check(plan, tree, Step::Console);
  const int target = open_target(plan.rootfs, "dev/console", false, O_NOFOLLOW);
  check(plan, target, Step::Console);
  check(plan, attach(tree, target), Step::Console);
  close_fd(tree);
  close_fd(target);
  return slave;
}

/// The parent's, then those that run in the container's namespaces with the host's root.
void let_hooks_run(const ChildPlan& plan) noexcept {
  if (!plan.asks_for_hooks) return;
  Report report;
  report.step = Step::NeedsHooks;
  send_report(plan, report, -1);
  await_byte(plan);
  if (!plan.hooks.empty()) check(plan, ::syscall(SYS_fchdir, plan.rootfs), Step::AttachRootfs);
  for (std::size_t i = 0; i < plan.hooks.size(); ++i) {
    const HookEnd end = run_hook(plan.hooks[i], plan.hook_state, plan.hook_output);
    if (end.how != HookEnd::How::Succeeded) give_up_on_hook(plan, i, end);
  }
}

}  // namespace

void build_rootfs(const ChildPlan& plan) noexcept {
  ::syscall(SYS_umask, 0);
  if (plan.owns_mounts) {
    check(plan, ::syscall(SYS_mount, nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr),
          Step::PrivateMounts);
  }
  const int null = open_host_null(plan);
  if (plan.owns_mounts) {
    attach_rootfs(plan);
  } else if (plan.rootfs_place != nullptr) {
    open_rootfs_anew(plan);
  }
  for (std::size_t i = 0; i < plan.mounts.size(); ++i)
    mount_one(plan, i);
  for (std::size_t i = 0; i < plan.devices.size(); ++i)
    make_device(plan, i);
  make_links(plan);
  const int terminal = plan.has_terminal ? make_console(plan) : -1;
  let_hooks_run(plan);
  write_sysctls(plan);
  place_proc(plan, plan.rootfs);
  mask_paths(plan, null);
  make_paths_read_only(plan);
  finish_read_only(plan);
  enter_rootfs(plan);
  if (plan.rootfs_propagation != 0)
    check(plan, set_propagation(plan.rootfs, plan.rootfs_propagation), Step::RootfsPropagation);
  if (terminal >= 0) take_terminal(plan, terminal);
  enter_working_directory(plan, plan.rootfs);
}

void enter_container(const ChildPlan& plan) noexcept {
  const auto root =
      static_cast<int>(::syscall(SYS_openat, AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC, 0));
  check(plan, root, Step::WorkingDirectory);
  if (plan.has_terminal) take_terminal(plan, open_terminal(plan, root));
  place_proc(plan, root);
  enter_working_directory(plan, root);
  close_fd(root);
}

}  // namespace layerkit::runner
