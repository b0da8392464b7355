#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "draft_dir.h"
#include "layerkit/base/entry.h"
#include "layerkit/layerstore/layer_tree.h"
#include "layerkit/layerstore/tar.h"
#include "paged_bytes.h"

namespace layerkit {

/// Where the children of a directory are in the table.
struct OutlineChildren {
  std::uint64_t index = 0;  ///< of the offsets of their records, in the order of the names
  std::uint32_t count = 0;
};

/// What the table says of a name, but for texts and extents, which follow it.
struct OutlineRecord {
  FileType type = FileType::Regular;
  bool is_whiteout = false;
  bool is_opaque = false;  ///< a directory that hides the lower one
  bool is_lower = false;   ///< contents are those of the lower view's file, whose path is the text
  std::uint32_t mode = 0;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint32_t device_major = 0;
  std::uint32_t device_minor = 0;
  std::uint32_t links = 0;
  std::uint32_t name_bytes = 0;
  std::uint32_t text_bytes = 0;  ///< a symlink's target; the lower file's path
  std::uint32_t xattrs_bytes = 0;
  std::uint32_t extents = 0;
  std::uint64_t number = 0;  ///< the same for all names of a file
  std::uint64_t size = 0;
  Timestamp mtime;
  OutlineChildren children;  ///< of a directory

  bool is_directory() const noexcept { return !is_whiteout && type == FileType::Directory; }
};

/// The tree of a layer, written once and laid out in the order of a walk: the names of a directory
/// lie together, sorted, and directories that follow each other in a walk are neighbours. So a walk
/// reads each page about once, whatever order the layer's entries had, and however little of the
/// table is in memory. Safe for concurrent readers.
class OutlineTable {
 public:
  /// A record and where the rest of it is.
  struct Item {
    OutlineRecord record;
    std::uint64_t rest = 0;  ///< where the text begins
  };

  /// `directory` is where a file is made when memory does not suffice; it must outlive the table.
  explicit OutlineTable(int directory) : bytes_(directory) {}

  /// Writes what the draft has: directories that are made, files and whiteouts. To be called once.
  /// `step` is called between small steps of work.
  void write(const DraftDir& root, bool root_is_opaque, const std::function<void()>& step);

  const Item& root() const noexcept { return root_; }
  /// `guess`: which of the children it may be; becomes the one behind the one that was found, as
  /// whoever looks for one name often looks for the next.
  std::optional<Item> find(const OutlineChildren& children,
                           std::string_view name,
                           std::uint32_t& guess) const;
  std::vector<LayerName> names(const OutlineChildren& children) const;

  Entry entry(const Item& item, RelPath path) const;
  std::string text(const Item& item) const { return string_at(item.rest, item.record.text_bytes); }
  std::vector<TarExtent> extents(const Item& item) const;
  const PagedBytes& bytes() const noexcept { return bytes_; }

 private:
  struct Child;

  OutlineChildren write_children(const DraftDir& dir, const std::function<void()>& step);
  void write_record(OutlineRecord record,
                    std::string_view name,
                    std::string_view text,
                    std::string_view xattrs,
                    std::span<const TarExtent> extents);
  void write_child(const Child& child);
  std::uint64_t offset_at(const OutlineChildren& children, std::uint32_t i) const;
  std::string string_at(std::uint64_t offset, std::size_t bytes) const;
  OutlineRecord record_at(std::uint64_t offset) const;

  PagedBytes bytes_;
  Item root_;
};

}  // namespace layerkit
