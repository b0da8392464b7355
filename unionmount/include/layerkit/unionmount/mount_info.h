#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace layerkit {

/// A line of /proc/self/mountinfo (proc(5)), escapes resolved.
struct MountInfo {
  std::uint64_t id = 0;
  std::uint64_t parent = 0;
  std::uint64_t device = 0;  ///< st_dev
  std::string root;          ///< of the mount within its file system
  std::string mount_point;   ///< from this process's root
  std::string options;       ///< of the mount
  std::string type;          ///< "fuse.aufs"
  std::string source;
  std::string super_options;  ///< of the file system
};

/// "MAJOR:MINOR", as the mount table has it.
std::string format_device(std::uint64_t device);
std::optional<std::uint64_t> parse_device(std::string_view text);

/// Throws Error{Invalid} for a line that is none.
std::vector<MountInfo> parse_mount_info(std::string_view text);
/// The mounts that this process sees, in the kernel's order: of two at one place the later is on
/// top.
std::vector<MountInfo> read_mount_info();
/// The mount whose root `path` is, the topmost there; nullopt when it is none or does not exist.
/// A symlink in the last component is followed. Asks no file system's server.
std::optional<MountInfo> find_mount(const std::string& path);

}  // namespace layerkit
