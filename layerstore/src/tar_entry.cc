#include "tar_entry.h"

#include <algorithm>

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "layerkit/base/whiteout.h"

namespace layerkit {
namespace {

constexpr std::size_t kMaxComponent = 255;        // NAME_MAX
constexpr std::uint64_t kMaxId = UINT32_MAX - 1;  // (uid_t)-1 means "leave it" to chown
constexpr std::uint64_t kModeBits = 07777;

FileType file_type_of(const TarHeader& header, std::string_view name) {
  switch (header.type()) {
    case tar_type::kRegular:
    case tar_type::kRegularV7:  // tars without a type for directories say it by a slash
      return name.ends_with('/') ? FileType::Directory : FileType::Regular;
    case tar_type::kContiguous:
    case tar_type::kGnuSparse:
    case tar_type::kHardLink:
      return FileType::Regular;
    case tar_type::kSymlink:
      return FileType::Symlink;
    case tar_type::kCharDevice:
      return FileType::CharDevice;
    case tar_type::kBlockDevice:
      return FileType::BlockDevice;
    case tar_type::kDirectory:
      return FileType::Directory;
    case tar_type::kFifo:
      return FileType::Fifo;
    default:
      break;
  }
  const char type = header.type();
  fail(Errc::Invalid, "its type flag {} is unknown", quoted(std::string_view(&type, 1)));
}

std::uint32_t checked_id(std::uint64_t id, std::string_view what) {
  if (id > kMaxId) fail(Errc::Invalid, "its {} {} is above {}", what, id, kMaxId);
  return static_cast<std::uint32_t>(id);
}

std::uint32_t checked_device(std::uint64_t number) {
  if (number > UINT32_MAX) fail(Errc::Invalid, "its device number {} is too large", number);
  return static_cast<std::uint32_t>(number);
}

void check_name_length(std::string_view name, const TarLimits& limits) {
  if (name.size() > limits.path_bytes) {
    fail(Errc::Limit, "its path is longer than {} bytes (the limit max-path-length)",
         limits.path_bytes);
  }
}

RelPath parse_entry_path(std::string_view name, FileType type, const TarLimits& limits) {
  if (name.empty()) fail(Errc::Invalid, "its name is empty");
  check_name_length(name, limits);
  RelPath path = RelPath::parse(name);
  if (path.is_root() && type != FileType::Directory) {
    fail(Errc::Invalid, "it is the root and not a directory");
  }
  return path;
}

RelPath parse_link_target(std::string_view name, const RelPath& path, const TarLimits& limits) {
  if (name.empty()) fail(Errc::Invalid, "it links to an empty name");
  check_name_length(name, limits);
  RelPath target = RelPath::parse(name);
  if (target.is_root()) fail(Errc::Invalid, "it links to the root");
  if (target == path) fail(Errc::Invalid, "it links to itself");
  return target;
}

void set_target(const TarHeader& header,
                std::string link_name,
                const TarLimits& limits,
                Entry& entry) {
  if (header.type() == tar_type::kHardLink) {
    entry.hard_link_target = parse_link_target(link_name, entry.path, limits);
  } else if (entry.type == FileType::Symlink) {
    if (link_name.empty()) fail(Errc::Invalid, "it is a symlink to an empty name");
    check_name_length(link_name, limits);
    entry.symlink_target = std::move(link_name);
  } else if (entry.type == FileType::CharDevice || entry.type == FileType::BlockDevice) {
    entry.device_major = checked_device(header.device_major());
    entry.device_minor = checked_device(header.device_minor());
  }
}

/// Calls `use` with each component until it returns false.
template <typename Use>
void for_each_component(std::string_view path, Use&& use) {
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    if (!use(path.substr(0, slash))) return;
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
  }
}

/// The first component of `path` that is a whiteout name of any kind, and its kind.
WhiteoutNameKind first_whiteout_kind(const RelPath& path) {
  WhiteoutNameKind kind = WhiteoutNameKind::None;
  for_each_component(path.str(), [&kind](std::string_view component) {
    kind = decode_whiteout_name(component).kind;
    return kind == WhiteoutNameKind::None;
  });
  return kind;
}

void check_layer_link(const RelPath& target) {
  if (is_aufs_link(target)) return;
  switch (first_whiteout_kind(target)) {
    case WhiteoutNameKind::None:
      return;
    case WhiteoutNameKind::AufsMetadata:
      fail(Errc::Unsupported, "it links to AUFS metadata ({})", quoted(target.str()));
    default:
      fail(Errc::Invalid, "it links to a whiteout ({})", quoted(target.str()));
  }
}

bool may_hold_whiteout_name(const RelPath& path) {
  return path.str().find(kWhiteoutPrefix) != std::string::npos;
}

Entry ordinary_layer_entry(Entry entry) {
  if (entry.hard_link_target && may_hold_whiteout_name(*entry.hard_link_target)) {
    check_layer_link(*entry.hard_link_target);
  }
  if (is_overlay_whiteout(entry.type, entry.device_major, entry.device_minor)) {
    fail(Errc::Invalid, "it is a 0:0 character device, which overlayfs takes for a whiteout");
  }
  return entry;
}

}  // namespace

bool is_tar_file_type(char type) noexcept {
  return type == tar_type::kRegular || type == tar_type::kRegularV7 ||
         type == tar_type::kContiguous || type == tar_type::kGnuSparse;
}

Entry make_tar_entry(const TarHeader& header,
                     const PaxValues& pax,
                     TarNames names,
                     const TarLimits& limits) {
  Entry entry;
  entry.type = file_type_of(header, names.name);
  entry.path = parse_entry_path(names.name, entry.type, limits);
  entry.mode = static_cast<std::uint32_t>(header.mode() & kModeBits);
  entry.uid = checked_id(pax.uid ? *pax.uid : header.uid(), "uid");
  entry.gid = checked_id(pax.gid ? *pax.gid : header.gid(), "gid");
  entry.mtime = pax.mtime ? *pax.mtime : Timestamp{header.mtime(), 0};
  set_target(header, std::move(names.link_name), limits, entry);
  return entry;
}

std::optional<Entry> as_layer_entry(Entry entry) {
  if (!may_hold_whiteout_name(entry.path)) return ordinary_layer_entry(std::move(entry));
  if (is_aufs_link(entry.path) && !entry.is_directory()) {
    return ordinary_layer_entry(std::move(entry));
  }
  const RelPath parent = entry.path.parent();
  const WhiteoutNameKind above = first_whiteout_kind(parent);
  if (above == WhiteoutNameKind::AufsMetadata) return std::nullopt;
  if (above != WhiteoutNameKind::None) fail(Errc::Invalid, "it lies below a whiteout");
  const WhiteoutName name = decode_whiteout_name(entry.path.name());
  Entry marker;
  switch (name.kind) {
    case WhiteoutNameKind::None:
      return ordinary_layer_entry(std::move(entry));
    case WhiteoutNameKind::AufsMetadata:
      return std::nullopt;
    case WhiteoutNameKind::Whiteout:
      marker.path = parent / name.hidden;
      marker.hides = Hides::Path;
      return marker;
    case WhiteoutNameKind::Opaque:
      marker.path = parent;
      marker.hides = Hides::Below;
      marker.type = FileType::Directory;
      return marker;
  }
  return std::nullopt;
}

void check_path_limits(const RelPath& path, const TarLimits& limits) {
  check_name_length(path.str(), limits);
  for_each_component(path.str(), [](std::string_view component) {
    if (component.size() > kMaxComponent) {
      fail(Errc::Limit, "its path has a name of more than {} bytes", kMaxComponent);
    }
    return true;
  });
}

}  // namespace layerkit
