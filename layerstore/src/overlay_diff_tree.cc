#include <fcntl.h>

#include <utility>

#include "layerkit/base/error.h"
#include "layerkit/base/root_dir.h"
#include "layerkit/base/text.h"
#include "layerkit/layerstore/layer_tree.h"
#include "overlay_object.h"
#include "overlay_xattrs.h"

namespace layerkit {
namespace {

class OverlayDiffTree final : public LayerTree {
 public:
  OverlayDiffTree(Fd diff, OverlayXattrs space) : root_(std::move(diff)), space_(space) {}

  std::optional<Entry> lookup(const RelPath& path) const override {
    if (path.is_root()) return read_overlay_root(root_.fd(), space_).entry;
    const auto parent = open_literal_dir(root_, path.parent(), O_PATH);
    if (!parent) return std::nullopt;
    auto object = read_overlay_object(parent->get(), std::string(path.name()), path, space_);
    if (!object) return std::nullopt;
    return std::move(object->entry);
  }

  std::vector<std::string> list(const RelPath& path) const override {
    const auto dir = open_literal_dir(root_, path, O_RDONLY);
    if (!dir) fail(Errc::NotFound, "listing {}: it is not a directory", quoted(path.absolute()));
    std::vector<std::string> names;
    for (DirEntry& entry : list_dir(dir->get()))
      names.push_back(std::move(entry.name));
    return names;
  }

  bool hides_lower(const RelPath& path) const override;

  std::unique_ptr<ByteSource> open(const RelPath& path) const override {
    const auto parent =
        path.is_root() ? std::nullopt : open_literal_dir(root_, path.parent(), O_PATH);
    if (!parent) fail(Errc::NotFound, "reading {}: no such file", quoted(path.absolute()));
    return open_contents(parent->get(), std::string(path.name()), path);
  }

 private:
  RootDir root_;
  OverlayXattrs space_;
};

/// One step down per component, whatever the depth; the kernel ignores an opaque root.
bool OverlayDiffTree::hides_lower(const RelPath& path) const {
  const std::string opaque = private_overlay_xattr(space_, "opaque");
  Fd dir;
  for (const std::string_view component : path.components()) {
    const int parent = dir ? dir.get() : root_.fd();
    const std::string name(component);
    const auto stat = stat_at(parent, name);
    if (!stat) return false;
    if (stat->type != FileType::Directory) return true;
    dir = open_at(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW);
    if (read_xattr_at(dir.get(), ".", opaque) == "y") return true;
  }
  return false;
}

}  // namespace

std::shared_ptr<const LayerTree> make_overlay_diff_tree(Fd diff, OverlayXattrs space) {
  return std::make_shared<OverlayDiffTree>(std::move(diff), space);
}

}  // namespace layerkit
