#pragma once

#include <cstdint>
#include <string>

#include "layerkit/base/fd.h"
#include "layerkit/unionmount/union_spec.h"

namespace layerkit {

/// What a mount forbids; the same for every way to make one.
struct MountAttributes {
  bool read_only = false;
  bool no_suid = false;
  bool no_dev = false;
  bool no_exec = false;
  bool no_atime = false;
};

/// What the spec forbids everybody.
inline MountAttributes attributes_of(const UnionSpec& spec) noexcept {
  return {.read_only = spec.read_only,
          .no_suid = spec.no_suid,
          .no_dev = spec.no_dev,
          .no_exec = spec.no_exec,
          .no_atime = spec.no_atime};
}

/// A file system being configured: fsopen(2), fsconfig(2), fsmount(2). Setters return 0 or the
/// errno, so that a caller can say what it was setting and add `log()`.
class FsContext final {
 public:
  /// Throws Error{Unsupported} where the kernel lacks the interface or the file system type.
  explicit FsContext(const std::string& type);

  [[nodiscard]] int set_flag(const std::string& key) const noexcept;
  [[nodiscard]] int set_string(const std::string& key, const std::string& value) const noexcept;
  /// An object by descriptor (FSCONFIG_SET_FD); overlayfs takes branches so since Linux 6.13.
  [[nodiscard]] int set_fd(const std::string& key, int fd) const noexcept;
  [[nodiscard]] int create() const noexcept;
  /// The created file system as a detached mount.
  Fd mount(const MountAttributes& attributes) const;

  /// Takes what the kernel wrote about this context: errors, or else warnings. Escaped for display,
  /// "; " between messages; empty when there is none.
  std::string take_log() const;

 private:
  Fd context_;
};

/// Whether fsopen(2) can be used at all: 0 or the errno.
int try_fsopen(const std::string& type) noexcept;

/// The mount at or around the directory, cloned and detached, with that directory as its root.
/// Mounts below it are not part of the clone; it is in no peer group.
Fd clone_mount(int directory_fd, const MountAttributes& attributes);

/// The same with the owners of files as `user_namespace` maps them. Throws Error{Unsupported} where
/// the kernel or the file system cannot.
Fd clone_mapped_mount(int directory_fd, const MountAttributes& attributes, int user_namespace);

/// An identifier that differs between mounts, also of one file system.
std::uint64_t mount_id(int fd);

/// "/proc/self/fd/N": a path to an open object that needs no quoting anywhere.
std::string proc_fd_path(int fd);

}  // namespace layerkit
