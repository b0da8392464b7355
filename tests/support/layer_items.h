#pragma once

#include <string>
#include <utility>
#include <vector>

#include "layerkit/base/byte_stream.h"
#include "layerkit/base/entry.h"
#include "layerkit/layerstore/layer_stream.h"

namespace layerkit::testing {

/// One entry of a layer that a test writes down, with its contents.
struct LayerItem {
  Entry entry;
  std::string contents;

  LayerItem mode(std::uint32_t mode) && {
    entry.mode = mode;
    return std::move(*this);
  }
  LayerItem owner(std::uint32_t uid, std::uint32_t gid) && {
    entry.uid = uid;
    entry.gid = gid;
    return std::move(*this);
  }
  LayerItem mtime(std::int64_t seconds, std::uint32_t nanoseconds = 0) && {
    entry.mtime = {seconds, nanoseconds};
    return std::move(*this);
  }
  LayerItem xattr(const std::string& name, const std::string& value) && {
    entry.xattrs[name] = value;
    return std::move(*this);
  }
};

using LayerItems = std::vector<LayerItem>;

inline LayerItem item(FileType type, const std::string& path, std::uint32_t mode) {
  LayerItem made;
  made.entry.path = RelPath::parse(path);
  made.entry.type = type;
  made.entry.mode = mode;
  made.entry.mtime = {1'600'000'000, 123'456'789};
  return made;
}
inline LayerItem file(const std::string& path, const std::string& contents = "") {
  LayerItem made = item(FileType::Regular, path, 0644);
  made.contents = contents;
  made.entry.size = contents.size();
  return made;
}
inline LayerItem dir(const std::string& path) {
  return item(FileType::Directory, path, 0755);
}
inline LayerItem symlink(const std::string& path, const std::string& target) {
  LayerItem made = item(FileType::Symlink, path, 0777);
  made.entry.symlink_target = target;
  return made;
}
inline LayerItem fifo(const std::string& path) {
  return item(FileType::Fifo, path, 0600);
}
inline LayerItem device(FileType type,
                        const std::string& path,
                        std::uint32_t major,
                        std::uint32_t minor) {
  LayerItem made = item(type, path, 0660);
  made.entry.device_major = major;
  made.entry.device_minor = minor;
  return made;
}
inline LayerItem link(const std::string& path, const std::string& target) {
  LayerItem made = file(path);
  made.entry.hard_link_target = RelPath::parse(target);
  return made;
}
inline LayerItem whiteout(const std::string& path) {
  LayerItem made;
  made.entry.path = RelPath::parse(path);
  made.entry.hides = Hides::Path;
  return made;
}
inline LayerItem opaque(const std::string& path) {
  LayerItem made;
  made.entry.path = RelPath::parse(path);
  made.entry.type = FileType::Directory;
  made.entry.hides = Hides::Below;
  return made;
}

/// Reads items that outlive it.
class VectorLayerReader final : public LayerReader {
 public:
  explicit VectorLayerReader(const LayerItems& items) : items_(items) {}

  std::optional<Entry> next() override {
    if (next_ == items_.size()) return std::nullopt;
    source_.emplace(items_[next_].contents);
    return items_[next_++].entry;
  }
  ByteSource& contents() override { return *source_; }

 private:
  const LayerItems& items_;
  std::size_t next_ = 0;
  std::optional<MemorySource> source_;
};

}  // namespace layerkit::testing
