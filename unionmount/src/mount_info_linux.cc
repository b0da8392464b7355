#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cerrno>

#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"
#include "layerkit/unionmount/mount_info.h"

namespace layerkit {
namespace {

/// Lines have no limit of their own: an overlay of 500 layers has one of 20 kB.
constexpr std::size_t kMaxMountInfoBytes = std::size_t{256} << 20;

bool is_octal(std::string_view digits) {
  return digits.size() == 3 && digits.front() <= '3' &&
         digits.find_first_not_of("01234567") == std::string_view::npos;
}

std::string unescape(std::string_view field) {
  std::string text;
  for (std::size_t i = 0; i < field.size(); ++i) {
    const std::string_view digits = field.substr(i + 1, 3);
    if (field[i] == '\\' && is_octal(digits)) {
      text += static_cast<char>((digits[0] - '0') * 64 + (digits[1] - '0') * 8 + (digits[2] - '0'));
      i += 3;
    } else {
      text += field[i];
    }
  }
  return text;
}

std::uint64_t number(std::string_view text, std::string_view line) {
  const auto value = parse_decimal(text);
  if (!value)
    fail(Errc::Invalid, "reading the mount table: there is no number in {}", quoted(line));
  return *value;
}

std::uint64_t device(std::string_view text, std::string_view line) {
  const auto value = parse_device(text);
  if (!value)
    fail(Errc::Invalid, "reading the mount table: there is no device number in {}", quoted(line));
  return *value;
}

MountInfo parse_line(std::string_view line) {
  const std::vector<std::string_view> fields = split(line, ' ');
  // ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [TAG...] - TYPE SOURCE OPTIONS
  const auto dash = std::find(fields.begin(), fields.end(), "-");
  if (dash - fields.begin() < 6 || fields.end() - dash < 4)
    fail(Errc::Invalid, "reading the mount table: {} is no mount", quoted(line));
  return {.id = number(fields[0], line),
          .parent = number(fields[1], line),
          .device = device(fields[2], line),
          .root = unescape(fields[3]),
          .mount_point = unescape(fields[4]),
          .options = unescape(fields[5]),
          .type = unescape(dash[1]),
          .source = unescape(dash[2]),
          .super_options = unescape(dash[3])};
}

}  // namespace

std::string format_device(std::uint64_t device) {
  return fmt::format("{}:{}", major(device), minor(device));
}

std::optional<std::uint64_t> parse_device(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto first = parse_decimal(text.substr(0, colon));
  const auto second = parse_decimal(text.substr(colon + 1));
  if (!first || !second) return std::nullopt;
  return makedev(static_cast<unsigned>(*first), static_cast<unsigned>(*second));
}

std::vector<MountInfo> parse_mount_info(std::string_view text) {
  std::vector<MountInfo> mounts;
  for (const std::string_view line : split(text, '\n')) {
    if (!line.empty()) mounts.push_back(parse_line(line));
  }
  return mounts;
}

std::vector<MountInfo> read_mount_info() {
  return parse_mount_info(read_file_at(AT_FDCWD, "/proc/self/mountinfo", kMaxMountInfoBytes));
}

std::optional<MountInfo> find_mount(const std::string& path) {
  struct statx info = {};
  if (::statx(AT_FDCWD, path.c_str(), AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_MNT_ID, &info) <
      0) {
    const int err = errno;
    if (err == ENOENT || err == ENOTDIR) return std::nullopt;
    fail_errno(err, "looking for a mount at {}", quoted(path));
  }
  if ((info.stx_attributes & STATX_ATTR_MOUNT_ROOT) == 0) return std::nullopt;
  const std::vector<MountInfo> mounts = read_mount_info();
  const auto found = std::ranges::find(mounts, info.stx_mnt_id, &MountInfo::id);
  if (found == mounts.end()) return std::nullopt;
  return *found;
}

}  // namespace layerkit
