#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "layerkit/base/rel_path.h"

namespace layerkit {

/// Seconds and nanoseconds since the epoch; `nanoseconds` is 0..999'999'999 also before the epoch.
struct Timestamp {
  std::int64_t seconds = 0;
  std::uint32_t nanoseconds = 0;
  auto operator<=>(const Timestamp&) const = default;
};

enum class FileType { Regular, Directory, Symlink, CharDevice, BlockDevice, Fifo, Socket };

/// What an entry hides of the layers below it.
///
/// A Below entry is a marker and never the directory itself: type Directory, mode, owner, times and
/// xattrs zero or empty and not to be applied. The directory's metadata come in an entry of its own
/// (hides Nothing) before or after the marker, or not at all when the lower's hold. Producers that
/// can choose emit the directory first, then the marker.
enum class Hides {
  Nothing,  ///< an ordinary object
  Path,     ///< a whiteout: no object, `path` is absent from here on
  Below,    ///< opaque: the lower layers' children of the directory `path` are not seen
};

using Xattrs = std::map<std::string, std::string>;

/// One file-system object of a layer, whatever the layer is stored as.
///
/// A whiteout carries only `path` and `hides`. A hard link carries `path` and `hard_link_target`;
/// its other fields repeat the target's where the producer knows them.
struct Entry {
  RelPath path;
  Hides hides = Hides::Nothing;
  FileType type = FileType::Regular;
  std::uint32_t mode = 0;  ///< permission bits with setuid, setgid, sticky: 07777 and nothing else
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint64_t size = 0;  ///< regular files only; 0 otherwise
  Timestamp mtime;
  std::uint32_t device_major = 0;  ///< device nodes only
  std::uint32_t device_minor = 0;
  std::string symlink_target;               ///< symlinks only; any bytes but NUL
  std::optional<RelPath> hard_link_target;  ///< set: this name links to that earlier path
  Xattrs xattrs;                            ///< as seen inside a mount: never overlay's own

  bool is_whiteout() const noexcept { return hides == Hides::Path; }
  bool is_directory() const noexcept { return !is_whiteout() && type == FileType::Directory; }
  bool operator==(const Entry&) const = default;
};

}  // namespace layerkit
