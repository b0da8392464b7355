#include "erofs/erofs_inode.h"

#include <algorithm>
#include <limits>
#include <string_view>

#include "erofs/erofs_acl.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file_type.h"
#include "packed_xattrs.h"

namespace layerkit {
namespace {

using erofs::kBlock;
using erofs::Layout;

constexpr std::uint64_t kIndex = sizeof(erofs::ChunkIndex);
constexpr std::uint64_t kMaxTail = kBlock - erofs::kSlot;

std::uint64_t round_up(std::uint64_t value, std::uint64_t to) {
  return (value + to - 1) / to * to;
}

template <typename Number>
bool fits(std::uint64_t value) {
  return value <= std::numeric_limits<Number>::max();
}

template <typename Record>
std::string bytes_of(const Record& record) {
  return {reinterpret_cast<const char*>(&record), sizeof record};
}

/// What both kinds of inode have.
template <typename Record>
void set_common(Record& record, const ErofsInode& inode, const ErofsShape& shape) {
  const auto kind = static_cast<std::uint16_t>(shape.extended ? erofs::kExtendedInode : 0);
  record.format = erofs::inode_format(shape.layout, kind);
  if (shape.xattrs > 0) {
    record.xattr_count =
        static_cast<std::uint16_t>((shape.xattrs - sizeof(erofs::XattrHeader)) / 4 + 1);
  }
  record.mode = static_cast<std::uint16_t>(file_type_bits(inode.type) | inode.mode);
}

/// Lists change modes, and may be no more than a mode.
void apply_acls(ErofsInode& inode) {
  for (std::string_view rest = inode.xattrs.packed; !rest.empty();) {
    const std::string_view name = take_text(rest);
    const std::string_view value = take_text(rest);
    if (name != kAccessAcl && name != kDefaultAcl) continue;
    if (inode.type == FileType::Symlink) {
      fail(Errc::Unsupported, "storing its access control list: a symlink has none");
    }
    if (name == kAccessAcl) {
      const AclEffect effect = read_access_acl(value, inode.mode);
      inode.mode = effect.mode;
      inode.xattrs.access_acl = effect.stored;
    } else {
      inode.xattrs.default_acl = read_default_acl(value).stored;
      if (inode.xattrs.default_acl && inode.type != FileType::Directory) {
        fail(Errc::Unsupported, "storing its default access control list: it is no directory");
      }
    }
  }
}

}  // namespace

std::uint64_t ErofsShape::head() const noexcept {
  return (extended ? sizeof(erofs::ExtendedInode) : sizeof(erofs::CompactInode)) + xattrs;
}

ErofsInode inode_of(const DraftDir& dir) {
  ErofsInode inode;
  inode.type = FileType::Directory;
  inode.mode = dir.mode;
  inode.uid = dir.uid;
  inode.gid = dir.gid;
  inode.links = 2;
  inode.mtime = dir.mtime;
  inode.xattrs.packed = dir.xattrs;
  inode.xattrs.opaque = dir.opaque;
  apply_acls(inode);
  return inode;
}

ErofsInode inode_of(const DraftFile& file) {
  ErofsInode inode;
  inode.type = file.type;
  // As Linux shows it of every symlink.
  inode.mode = file.type == FileType::Symlink ? 0777 : file.mode;
  inode.uid = file.uid;
  inode.gid = file.gid;
  inode.links = file.links;
  if (file.type == FileType::Regular) inode.size = file.size;
  if (file.type == FileType::Symlink) inode.size = file.text.size();
  inode.mtime = file.mtime;
  inode.xattrs.packed = file.xattrs;
  apply_acls(inode);
  return inode;
}

ErofsInode whiteout_inode(std::uint64_t links, Timestamp mtime) {
  ErofsInode inode;
  inode.type = FileType::CharDevice;
  inode.links = links;
  inode.mtime = mtime;
  return inode;
}

ErofsShape shape_of(const ErofsInode& inode, std::size_t xattr_bytes, Timestamp common_mtime) {
  ErofsShape shape;
  shape.xattrs = xattr_bytes;
  shape.extended = inode.mtime != common_mtime || !fits<std::uint16_t>(inode.uid) ||
                   !fits<std::uint16_t>(inode.gid) || !fits<std::uint16_t>(inode.links) ||
                   !fits<std::uint32_t>(inode.size);
  return shape;
}

void add_data(ErofsShape& shape, FileType type, std::uint64_t size) {
  // Linux looks for the target of a symlink in the block of the inode, or not behind it at all.
  const bool whole = type == FileType::Symlink;
  const std::uint64_t tail = whole ? size : size % kBlock;
  if (tail == 0 || tail > (whole ? kBlock - std::min(shape.head(), kBlock) : kMaxTail)) return;
  shape.layout = Layout::FlatInline;
  shape.tail = tail;
}

std::uint64_t place_of(const ErofsShape& shape, FileType type, std::uint64_t offset) {
  if (shape.tail == 0) return offset;
  if (type == FileType::Symlink) {
    return offset % kBlock + shape.head() + shape.tail > kBlock ? round_up(offset, kBlock) : offset;
  }
  const std::uint64_t tail_at = (offset + shape.head()) % kBlock;
  if (tail_at + shape.tail <= kBlock) return offset;
  return offset + round_up(kBlock - tail_at, erofs::kSlot);
}

std::uint64_t chunks_at(const ErofsShape& shape, std::uint64_t place) {
  return round_up(place + shape.head(), kIndex);
}

std::uint64_t end_of(const ErofsShape& shape, std::uint64_t place) {
  if (shape.chunks > 0) return chunks_at(shape, place) + shape.chunks * kIndex;
  return place + shape.head() + shape.tail;
}

std::uint32_t device_number(const DraftFile& file) {
  constexpr std::uint32_t kMaxMajor = 0xfff;
  constexpr std::uint32_t kMaxMinor = 0xf'ffff;
  if (file.type != FileType::CharDevice && file.type != FileType::BlockDevice) return 0;
  if (file.device_major > kMaxMajor || file.device_minor > kMaxMinor) {
    fail(Errc::Unsupported, "creating the device {}:{}: Linux has no such numbers",
         file.device_major, file.device_minor);
  }
  return (file.device_minor & 0xffU) | file.device_major << 8U |
         (file.device_minor & ~0xffU) << 12U;
}

erofs::NodeType node_type(FileType type) noexcept {
  switch (type) {
    case FileType::Directory:
      return erofs::NodeType::Directory;
    case FileType::Symlink:
      return erofs::NodeType::Symlink;
    case FileType::CharDevice:
      return erofs::NodeType::CharDevice;
    case FileType::BlockDevice:
      return erofs::NodeType::BlockDevice;
    case FileType::Fifo:
      return erofs::NodeType::Fifo;
    case FileType::Socket:
      return erofs::NodeType::Socket;
    case FileType::Regular:
      break;
  }
  return erofs::NodeType::Regular;
}

std::string encode_inode(const ErofsInode& inode,
                         const ErofsShape& shape,
                         std::uint32_t number,
                         std::uint32_t place) {
  if (!shape.extended) {
    erofs::CompactInode record;
    set_common(record, inode, shape);
    record.links = static_cast<std::uint16_t>(inode.links);
    record.size = static_cast<std::uint32_t>(inode.size);
    record.place = place;
    record.number = number;
    record.uid = static_cast<std::uint16_t>(inode.uid);
    record.gid = static_cast<std::uint16_t>(inode.gid);
    return bytes_of(record);
  }
  erofs::ExtendedInode record;
  set_common(record, inode, shape);
  record.size = inode.size;
  record.place = place;
  record.number = number;
  record.uid = inode.uid;
  record.gid = inode.gid;
  record.mtime = static_cast<std::uint64_t>(inode.mtime.seconds);
  record.mtime_ns = inode.mtime.nanoseconds;
  record.links = static_cast<std::uint32_t>(inode.links);
  return bytes_of(record);
}

}  // namespace layerkit
