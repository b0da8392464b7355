#include <fcntl.h>
#include <linux/magic.h>
#include <sys/statfs.h>

#include <algorithm>

#include "layerkit/base/byte_stream.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"
#include "mount_table.h"

namespace layerkit::runner {
namespace {

constexpr std::size_t kMaxProcFile = 64U << 20U;

}  // namespace

std::string decode_octal(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 3 >= text.size()) {
      decoded += text[i];
      continue;
    }
    const int value = (text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0');
    decoded += static_cast<char>(value);
    i += 3;
  }
  return decoded;
}

std::optional<MountLine> parse_mount_line(std::string_view line) {
  const std::vector<std::string_view> fields = split(line, ' ');
  const auto dash = std::find(fields.begin(), fields.end(), "-");
  if (fields.size() < 10 || fields.end() - dash < 4) return std::nullopt;
  return MountLine{decode_octal(fields[3]), decode_octal(fields[4]), dash[1], dash[3]};
}

std::string read_proc(const char* path) {
  const Fd file = open_at(AT_FDCWD, path, O_RDONLY);
  FdSource source(file.get(), path);
  return read_all(source, kMaxProcFile, path);
}

bool root_may_be_initramfs() {
  struct statfs root {};
  if (::statfs("/", &root) != 0) return true;
  return root.f_type == RAMFS_MAGIC || root.f_type == TMPFS_MAGIC;
}

std::vector<std::string> whole_kernel_mounts(std::string_view mountinfo) {
  std::vector<std::string> found;
  for (const std::string_view line : split(mountinfo, '\n')) {
    const std::optional<MountLine> mount = parse_mount_line(line);
    if (mount && mount->root == "/" && (mount->type == "proc" || mount->type == "sysfs"))
      found.push_back(mount->mount_point);
  }
  std::reverse(found.begin(), found.end());
  return found;
}

}  // namespace layerkit::runner
