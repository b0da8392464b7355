#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace layerkit::runner {

/// What matters here of a line of /proc/self/mountinfo, escapes resolved.
struct MountLine {
  std::string root;
  std::string mount_point;
  std::string_view type;
  std::string_view super_options;
};

/// proc(5): "36 35 98:0 /root /mnt options optional... - type source super_options".
std::optional<MountLine> parse_mount_line(std::string_view line);
/// Blanks and backslashes stand there as \ooo.
std::string decode_octal(std::string_view text);
/// The text of a file of /proc.
std::string read_proc(const char* path);

/// That cannot be pivoted away: pivot_root(2).
bool root_may_be_initramfs();
/// Where the caller sees all of a proc or sysfs, the inner ones first.
std::vector<std::string> whole_kernel_mounts(std::string_view mountinfo);

}  // namespace layerkit::runner
