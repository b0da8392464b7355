#include "outline_table.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#include "diff_object.h"
#include "layerkit/base/byte_stream.h"
#include "layerkit/base/error.h"
#include "memory_files.h"
#include "packed_xattrs.h"

namespace layerkit {
namespace {

static_assert(std::is_trivially_copyable_v<OutlineRecord>);
static_assert(std::is_trivially_copyable_v<TarExtent>);

/// Nobody but this process reads the table: it has the bytes of the objects themselves.
template <typename T>
std::span<const std::byte> bytes_of(const T& object) {
  return std::as_bytes(std::span(&object, 1));
}

std::uint32_t count_of(std::size_t count) {
  if (count > std::numeric_limits<std::uint32_t>::max()) {
    fail(Errc::Limit, "describing a layer: something in it has {} parts", count);
  }
  return static_cast<std::uint32_t>(count);
}

OutlineRecord record_of(const DraftDir& dir, bool is_opaque, OutlineChildren children) {
  OutlineRecord record;
  record.type = FileType::Directory;
  record.is_opaque = is_opaque;
  record.mode = dir.mode;
  record.uid = dir.uid;
  record.gid = dir.gid;
  record.mtime = dir.mtime;
  record.children = children;
  return record;
}

OutlineRecord record_of(const DraftFile& file) {
  OutlineRecord record;
  record.type = file.type;
  record.is_lower = file.is_lower;
  record.mode = file.mode;
  record.uid = file.uid;
  record.gid = file.gid;
  record.device_major = file.device_major;
  record.device_minor = file.device_minor;
  record.links = file.links;
  record.number = file.number;
  record.size = file.size;
  record.mtime = file.mtime;
  return record;
}

}  // namespace

/// One of `dir` and `file` is set, or it is a whiteout.
struct OutlineTable::Child {
  std::string_view name;
  const DraftDir* dir = nullptr;
  OutlineChildren children;
  const DraftFile* file = nullptr;
};

void OutlineTable::write(const DraftDir& root,
                         bool root_is_opaque,
                         const std::function<void()>& step) {
  const OutlineChildren children = write_children(root, step);
  const std::uint64_t offset = bytes_.size();
  write_record(record_of(root, root_is_opaque, children), {}, {}, root.xattrs, {});
  root_ = {record_at(offset), offset + sizeof(OutlineRecord)};
}

/// Those of subdirectories come first: their places have to be known.
OutlineChildren OutlineTable::write_children(const DraftDir& dir,
                                             const std::function<void()>& step) {
  std::vector<OutlineChildren> below;
  for (const auto& [name, child] : dir.children) {
    if (child->made) below.push_back(write_children(*child, step));
    step();
  }
  std::vector<Child> children;
  auto next_below = below.begin();
  for (const auto& [name, child] : dir.children) {
    if (child->made) children.push_back({name, child, *next_below++, nullptr});
  }
  for (const FileName* name = dir.files; name != nullptr; name = name->next) {
    children.push_back({name->name, nullptr, {}, name->file});
    step();
  }
  for (const auto& [name, state] : dir.special) {
    if (state == NameState::WhitedOut) children.push_back({name, nullptr, {}, nullptr});
    step();
  }
  std::ranges::sort(children, {}, &Child::name);
  std::vector<std::uint64_t> offsets;
  offsets.reserve(children.size());
  for (const Child& child : children) {
    offsets.push_back(bytes_.size());
    write_child(child);
    step();
  }
  const OutlineChildren written{bytes_.size(), count_of(offsets.size())};
  bytes_.append(std::as_bytes(std::span(offsets)));
  return written;
}

void OutlineTable::write_child(const Child& child) {
  if (child.dir != nullptr) {
    return write_record(record_of(*child.dir, child.dir->opaque, child.children), child.name, {},
                        child.dir->xattrs, {});
  }
  if (child.file != nullptr) {
    const DraftFile& file = *child.file;
    return write_record(record_of(file), child.name, file.text, file.xattrs, file.extents);
  }
  OutlineRecord whiteout;
  whiteout.is_whiteout = true;
  write_record(whiteout, child.name, {}, {}, {});
}

void OutlineTable::write_record(OutlineRecord record,
                                std::string_view name,
                                std::string_view text,
                                std::string_view xattrs,
                                std::span<const TarExtent> extents) {
  record.name_bytes = count_of(name.size());
  record.text_bytes = count_of(text.size());
  record.xattrs_bytes = count_of(xattrs.size());
  record.extents = count_of(extents.size());
  bytes_.append(bytes_of(record));
  for (const std::string_view part : {name, text, xattrs})
    bytes_.append(as_bytes(part));
  bytes_.append(std::as_bytes(extents));
}

/// By binary search, after the guess and what is beside it.
std::optional<OutlineTable::Item> OutlineTable::find(const OutlineChildren& children,
                                                     std::string_view name,
                                                     std::uint32_t& guess) const {
  std::uint32_t begin = 0;
  std::uint32_t end = children.count;
  std::uint32_t at = guess;
  for (int tries = 0; begin < end; ++tries) {
    at = tries < 2 ? std::clamp(at, begin, end - 1) : begin + (end - begin) / 2;
    const std::uint64_t offset = offset_at(children, at);
    const OutlineRecord record = record_at(offset);
    const std::uint64_t name_offset = offset + sizeof(OutlineRecord);
    const int order = string_at(name_offset, record.name_bytes).compare(name);
    if (order == 0) {
      guess = at + 1;
      return Item{record, name_offset + record.name_bytes};
    }
    if (order < 0) {
      begin = at + 1;
    } else {
      end = at;
    }
  }
  guess = begin;
  return std::nullopt;
}

std::vector<LayerName> OutlineTable::names(const OutlineChildren& children) const {
  std::vector<LayerName> names;
  names.reserve(children.count);
  for (std::uint32_t i = 0; i < children.count; ++i) {
    const std::uint64_t offset = offset_at(children, i);
    const OutlineRecord record = record_at(offset);
    names.push_back(
        {string_at(offset + sizeof(OutlineRecord), record.name_bytes), record.is_whiteout});
  }
  return names;
}

Entry OutlineTable::entry(const Item& item, RelPath path) const {
  const OutlineRecord& record = item.record;
  if (record.is_whiteout) return whiteout_of(path);
  Entry entry;
  entry.path = std::move(path);
  entry.type = record.type;
  // As Linux shows it of every symlink.
  entry.mode = record.type == FileType::Symlink ? 0777 : record.mode;
  entry.uid = record.uid;
  entry.gid = record.gid;
  entry.size = record.size;
  entry.mtime = record.mtime;
  entry.device_major = record.device_major;
  entry.device_minor = record.device_minor;
  if (record.is_opaque) entry.hides = Hides::Below;
  if (record.type == FileType::Symlink) entry.symlink_target = text(item);
  if (record.xattrs_bytes > 0) {
    entry.xattrs = decode_xattrs(string_at(item.rest + record.text_bytes, record.xattrs_bytes));
  }
  return entry;
}

std::vector<TarExtent> OutlineTable::extents(const Item& item) const {
  std::vector<TarExtent> extents(item.record.extents);
  bytes_.read(item.rest + item.record.text_bytes + item.record.xattrs_bytes,
              std::as_writable_bytes(std::span(extents)));
  return extents;
}

std::uint64_t OutlineTable::offset_at(const OutlineChildren& children, std::uint32_t i) const {
  std::uint64_t offset = 0;
  bytes_.read(children.index + std::uint64_t{i} * sizeof(offset),
              std::as_writable_bytes(std::span(&offset, 1)));
  return offset;
}

OutlineRecord OutlineTable::record_at(std::uint64_t offset) const {
  OutlineRecord record;
  bytes_.read(offset, std::as_writable_bytes(std::span(&record, 1)));
  return record;
}

std::string OutlineTable::string_at(std::uint64_t offset, std::size_t bytes) const {
  std::string text(bytes, '\0');
  bytes_.read(offset, std::as_writable_bytes(std::span(text)));
  return text;
}

}  // namespace layerkit
