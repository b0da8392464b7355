#include <fcntl.h>

#include <utility>

#include "diff_object.h"
#include "layerkit/base/error.h"
#include "layerkit/base/root_dir.h"
#include "layerkit/base/text.h"
#include "layerkit/layerstore/layer_tree.h"

namespace layerkit {
namespace {

class DiffTree final : public LayerTree {
 public:
  DiffTree(Fd diff, DiffFormat format) : root_(std::move(diff)), format_(format) {}

  std::optional<Entry> lookup(const RelPath& path) const override {
    if (path.is_root()) return read_diff_root(root_.fd(), format_).entry;
    const auto parent = open_dir(path.parent(), O_PATH);
    if (!parent) return std::nullopt;
    auto object = read_diff_object(parent->get(), std::string(path.name()), path, format_);
    if (!object) return std::nullopt;
    return std::move(object->entry);
  }

  std::vector<std::string> list(const RelPath& path) const override {
    const auto dir = open_dir(path, O_RDONLY);
    if (!dir) fail(Errc::NotFound, "listing {}: it is not a directory", quoted(path.absolute()));
    return list_diff_names(dir->get(), format_);
  }

  bool hides_lower(const RelPath& path) const override;

  std::unique_ptr<ByteSource> open(const RelPath& path) const override {
    const bool none = path.is_root() || is_reserved_name(path.name(), format_);
    const auto parent = none ? std::nullopt : open_dir(path.parent(), O_PATH);
    if (!parent) fail(Errc::NotFound, "reading {}: no such file", quoted(path.absolute()));
    return open_contents(parent->get(), std::string(path.name()), path);
  }

  std::optional<FileIdentity> identity(const RelPath& path) const override {
    const auto parent = path.is_root() ? std::nullopt : open_dir(path.parent(), O_PATH);
    if (!parent) fail(Errc::NotFound, "reading {}: no such file", quoted(path.absolute()));
    return identity_at(*this, parent->get(), path);
  }

 private:
  std::optional<Fd> open_dir(const RelPath& path, int flags) const {
    for (const std::string_view name : path.components()) {
      if (is_reserved_name(name, format_)) return std::nullopt;
    }
    return open_literal_dir(root_, path, flags);
  }

  RootDir root_;
  DiffFormat format_;
};

/// One step down per component, whatever the depth.
bool DiffTree::hides_lower(const RelPath& path) const {
  // For the kernel's overlay, the root hides nothing.
  if (format_.is_aufs() && is_opaque_dir(root_.fd(), format_)) return true;
  Fd dir;
  for (const std::string_view component : path.components()) {
    const int parent = dir ? dir.get() : root_.fd();
    const std::string name(component);
    if (is_reserved_name(name, format_)) return false;
    if (format_.is_aufs() && is_whiteout_at(parent, name, format_)) return true;
    const auto stat = stat_at(parent, name);
    if (!stat) return false;
    if (stat->type != FileType::Directory) return true;
    dir = open_at(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW);
    if (is_opaque_dir(dir.get(), format_)) return true;
  }
  return false;
}

}  // namespace

std::shared_ptr<const LayerTree> make_diff_tree(Fd diff, DiffFormat format) {
  return std::make_shared<DiffTree>(std::move(diff), format);
}

}  // namespace layerkit
