#include <sys/mount.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>

#include "layerkit/base/error.h"
#include "layerkit/base/rel_path.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/option_values.h"

namespace layerkit {
namespace {

MountAccess parse_access(std::string_view mode, std::string_view whole) {
  if (mode == "rw") return MountAccess::ReadWrite;
  if (mode == "ro") return MountAccess::ReadOnly;
  fail(Errc::Invalid, "invalid volume {}: invalid mode: {}", quoted(whole), quoted(mode));
}

std::string host_path(std::string_view source, std::string_view whole, const std::string& cwd) {
  if (source.front() == '/') return RelPath::parse(source).absolute();
  if (source.front() == '.') return RelPath::parse(cwd + "/" + std::string(source)).absolute();
  if (source.find('/') == std::string_view::npos) {
    fail(Errc::Unsupported,
         "invalid volume {}: named volumes are not supported; to bind a directory of the host, "
         "give its absolute path",
         quoted(whole));
  }
  fail(Errc::Invalid, "invalid volume {}: the host path must be absolute", quoted(whole));
}

struct FlagWord {
  std::string_view word;
  std::uint64_t attribute;
  bool value;
};
constexpr std::array<FlagWord, 8> kFlagWords = {{{"ro", MOUNT_ATTR_RDONLY, true},
                                                 {"rw", MOUNT_ATTR_RDONLY, false},
                                                 {"nosuid", MOUNT_ATTR_NOSUID, true},
                                                 {"suid", MOUNT_ATTR_NOSUID, false},
                                                 {"nodev", MOUNT_ATTR_NODEV, true},
                                                 {"dev", MOUNT_ATTR_NODEV, false},
                                                 {"noexec", MOUNT_ATTR_NOEXEC, true},
                                                 {"exec", MOUNT_ATTR_NOEXEC, false}}};

bool all_of_chars(std::string_view text, std::string_view allowed) {
  return !text.empty() && text.find_first_not_of(allowed) == std::string_view::npos;
}

/// Options that the kernel's tmpfs takes, tmpfs(5): checked here so that a mistake is named.
bool is_tmpfs_option(std::string_view option) {
  const auto equals = option.find('=');
  if (equals == std::string_view::npos) return false;
  const auto key = option.substr(0, equals);
  auto value = option.substr(equals + 1);
  if (key == "mode") return all_of_chars(value, "01234567");
  if (key == "uid" || key == "gid") return parse_decimal(value).has_value();
  if (key != "size" && key != "nr_inodes" && key != "nr_blocks") return false;
  if (!value.empty() && std::string_view("kKmMgG%").find(value.back()) != std::string_view::npos) {
    value.remove_suffix(1);
  }
  return parse_decimal(value).has_value();
}

}  // namespace

std::string BindVolume::str() const {
  return source + ":" + destination + (access == MountAccess::ReadOnly ? ":ro" : "");
}

BindVolume parse_volume(std::string_view text, const std::string& current_directory) {
  const auto parts = split(text, ':');
  if (parts.size() > 3 ||
      std::any_of(parts.begin(), parts.end(), [](auto part) { return part.empty(); })) {
    fail(Errc::Invalid, "invalid volume specification: {}", quoted(text));
  }
  BindVolume volume;
  if (parts.size() == 1) {
    volume.destination = parse_mount_target(parts[0], "volume");
    return volume;
  }
  volume.source = host_path(parts[0], text, current_directory);
  volume.destination = parse_mount_target(parts[1], "volume");
  if (parts.size() == 3) volume.access = parse_access(parts[2], text);
  return volume;
}

TmpfsMount parse_tmpfs(std::string_view text) {
  const auto colon = text.find(':');
  TmpfsMount tmpfs;
  tmpfs.destination = parse_mount_target(text.substr(0, colon), "tmpfs");
  if (colon != std::string_view::npos) tmpfs.options = std::string(text.substr(colon + 1));
  tmpfs_mount(tmpfs);
  return tmpfs;
}

ContainerMount tmpfs_mount(const TmpfsMount& tmpfs) {
  ContainerMount mount;
  mount.type = "tmpfs";
  mount.source = "tmpfs";
  mount.target = tmpfs.destination;
  mount.attributes.set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
  if (tmpfs.options.empty()) return mount;
  for (const auto option : split(tmpfs.options, ',')) {
    const auto word = std::find_if(kFlagWords.begin(), kFlagWords.end(),
                                   [&](const FlagWord& known) { return known.word == option; });
    if (word != kFlagWords.end()) {
      mount.attributes.set &= ~word->attribute;
      if (word->value) mount.attributes.set |= word->attribute;
    } else if (is_tmpfs_option(option)) {
      mount.data.emplace_back(option);
    } else {
      fail(Errc::Invalid, "invalid tmpfs option {} for {}", quoted(option),
           quoted(tmpfs.destination));
    }
  }
  return mount;
}

}  // namespace layerkit
