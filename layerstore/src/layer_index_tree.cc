#include <fcntl.h>

#include <utility>

#include "diff_object.h"
#include "index_page_cache.h"
#include "layer_index.h"
#include "layer_index_file.h"
#include "layerkit/base/error.h"
#include "layerkit/base/root_dir.h"
#include "layerkit/base/text.h"

namespace layerkit {
namespace {

/// A directory of an index: where its children are.
class IndexDir final : public LayerDir {
 public:
  IndexDir(const LayerIndexFile& file, std::uint32_t number, RelPath path)
      : file_(file), number_(number), path_(std::move(path)), children_(file.children(number)) {}

  std::optional<LayerChild> find(std::string_view name) const override {
    const auto object = file_.find(children_, name);
    if (!object) return std::nullopt;
    LayerChild child{file_.entry(*object, path_ / name), nullptr};
    if (object->record.is_directory()) {
      child.directory = std::make_shared<IndexDir>(
          file_, file_.directory_number(object->record, number_), child.entry.path);
    }
    return child;
  }

  std::vector<LayerName> list() const override {
    std::vector<LayerName> names;
    layer_index::Place place = children_.begin;
    while (const auto object = file_.next(children_, place)) {
      names.push_back({std::string(object->record.name), object->record.is_whiteout()});
    }
    return names;
  }

 private:
  const LayerIndexFile& file_;
  std::uint32_t number_;
  RelPath path_;
  layer_index::Span children_;
};

class IndexTree final : public LayerTree {
 public:
  IndexTree(Fd index,
            std::string name,
            std::shared_ptr<IndexPageCache> cache,
            std::function<Fd()> open_diff)
      : file_(std::move(index), std::move(name), std::move(cache)),
        open_diff_(std::move(open_diff)) {}

  std::optional<Entry> lookup(const RelPath& path) const override;
  std::vector<std::string> list(const RelPath& path) const override;
  bool hides_lower(const RelPath& path) const override;
  std::unique_ptr<ByteSource> open(const RelPath& path) const override;
  std::optional<FileIdentity> identity(const RelPath& path) const override {
    return identity_at(*this, open_parent(path).get(), path);
  }
  std::shared_ptr<const LayerDir> root_dir() const override {
    return std::make_shared<IndexDir>(file_, 0, RelPath());
  }

 private:
  /// In the diff directory.
  Fd open_parent(const RelPath& path) const;
  /// Goes down component by component and calls `use(object, is_last)` for each one found, until
  /// it returns false.
  template <typename Use>
  void walk(const RelPath& path, Use&& use) const;

  LayerIndexFile file_;
  std::function<Fd()> open_diff_;
};

template <typename Use>
void IndexTree::walk(const RelPath& path, Use&& use) const {
  std::uint32_t directory = 0;
  const auto names = path.components();
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto object = file_.find(file_.children(directory), names[i]);
    if (!object || !use(*object, i + 1 == names.size()) || !object->record.is_directory()) return;
    directory = file_.directory_number(object->record, directory);
  }
}

std::optional<Entry> IndexTree::lookup(const RelPath& path) const {
  if (path.is_root()) return file_.entry(file_.root(), path);
  std::optional<IndexedObject> found;
  walk(path, [&found](const IndexedObject& object, bool is_last) {
    if (is_last) found = object;
    return true;
  });
  if (!found) return std::nullopt;
  return file_.entry(*found, path);
}

std::vector<std::string> IndexTree::list(const RelPath& path) const {
  std::optional<std::uint32_t> directory;
  if (path.is_root()) directory = 0;
  std::uint32_t parent = 0;
  walk(path, [&](const IndexedObject& object, bool is_last) {
    if (!object.record.is_directory()) return false;
    parent = file_.directory_number(object.record, parent);
    if (is_last) directory = parent;
    return true;
  });
  if (!directory) {
    fail(Errc::NotFound, "listing {}: it is not a directory", quoted(path.absolute()));
  }
  std::vector<std::string> names;
  const layer_index::Span children = file_.children(*directory);
  layer_index::Place place = children.begin;
  while (const auto object = file_.next(children, place))
    names.emplace_back(object->record.name);
  return names;
}

bool IndexTree::hides_lower(const RelPath& path) const {
  bool hides = file_.root().record.kind != layer_index::Kind::Directory;
  if (hides) return true;
  walk(path, [&hides](const IndexedObject& object, bool /*is_last*/) {
    hides = object.record.kind != layer_index::Kind::Directory;
    return !hides;
  });
  return hides;
}

std::unique_ptr<ByteSource> IndexTree::open(const RelPath& path) const {
  const auto found = path.is_root() ? std::nullopt : lookup(path);
  if (!found || found->is_whiteout()) {
    fail(Errc::NotFound, "reading {}: no such file", quoted(path.absolute()));
  }
  return open_contents(open_parent(path).get(), std::string(path.name()), path);
}

Fd IndexTree::open_parent(const RelPath& path) const {
  const RootDir diff(open_diff_());
  auto parent = path.is_root() ? std::nullopt : open_literal_dir(diff, path.parent(), O_PATH);
  if (!parent) fail(Errc::NotFound, "reading {}: no such file", quoted(path.absolute()));
  return std::move(*parent);
}

}  // namespace

std::shared_ptr<const LayerTree> make_layer_index_tree(Fd index,
                                                       std::string name,
                                                       std::shared_ptr<IndexPageCache> cache,
                                                       std::function<Fd()> open_diff) {
  return std::make_shared<IndexTree>(std::move(index), std::move(name), std::move(cache),
                                     std::move(open_diff));
}

}  // namespace layerkit
