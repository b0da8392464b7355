#include "layerkit/imagetool/compared_tree.h"

#include <string>
#include <utility>
#include <vector>

#include "layerkit/base/byte_stream.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/imagetool/container_changes.h"
#include "layerkit/layerstore/layer_outline.h"
#include "layerkit/layerstore/tar.h"
#include "owned_file_source.h"
#include "temporary_directory.h"

namespace layerkit {
namespace {

using Trees = std::vector<std::shared_ptr<const LayerTree>>;

/// Contents that say where they come from; opened when they are read.
class OriginSource final : public ByteSource {
 public:
  OriginSource(const LayerTree& layer, std::string chain, RelPath path)
      : layer_(layer), chain_(std::move(chain)), path_(std::move(path)) {}

  std::size_t read(std::span<std::byte> buffer) override { return bytes().read(buffer); }
  std::uint64_t skip(std::uint64_t count) override { return bytes().skip(count); }

  bool is_same(const OriginSource& other) const noexcept {
    return chain_ == other.chain_ && path_ == other.path_;
  }

 private:
  ByteSource& bytes() {
    if (!bytes_) bytes_ = layer_.open(path_);
    return *bytes_;
  }

  const LayerTree& layer_;
  std::string chain_;
  RelPath path_;
  std::unique_ptr<ByteSource> bytes_;
};

/// A layer that knows on which layers it stands: what it has depends on nothing else.
class OriginTree final : public LayerTree {
 public:
  OriginTree(std::shared_ptr<const LayerTree> layer, std::string chain)
      : layer_(std::move(layer)), chain_(std::move(chain)) {}

  std::optional<Entry> lookup(const RelPath& path) const override { return layer_->lookup(path); }
  std::vector<std::string> list(const RelPath& path) const override { return layer_->list(path); }
  bool hides_lower(const RelPath& path) const override { return layer_->hides_lower(path); }
  std::unique_ptr<ByteSource> open(const RelPath& path) const override {
    return std::make_unique<OriginSource>(*layer_, chain_, path);
  }
  std::optional<FileIdentity> identity(const RelPath& path) const override {
    return layer_->identity(path);
  }
  std::shared_ptr<const LayerDir> root_dir() const override { return layer_->root_dir(); }

 private:
  std::shared_ptr<const LayerTree> layer_;
  std::string chain_;
};

Trees origin_trees(const Trees& layers, const std::vector<ChainId>& chains) {
  Trees trees;
  for (std::size_t i = 0; i < layers.size(); ++i)
    trees.push_back(std::make_shared<OriginTree>(layers[i], chains.at(i).str()));
  return trees;
}

/// What the container changed, as a layer on `lower`.
std::shared_ptr<const LayerTree> outline_changes(ContainerStore& store,
                                                 const ContainerInfo& container,
                                                 std::shared_ptr<const LayerTree> lower,
                                                 const Context& context) {
  const auto file = std::make_shared<const Fd>(open_temporary_file());
  FdSink sink(file->get(), "a temporary file");
  const auto changes = committable_changes(store.images().layers(), container.id, context);
  const auto writer = make_tar_writer(sink);
  copy_layer(*changes, *writer, context);
  const std::uint64_t size = stat_fd(file->get()).size;
  OwnedFileSource tar(file, 0, size, "a temporary file");
  return outline_layer(
      tar, std::move(lower),
      [file](std::uint64_t offset, std::uint64_t length) {
        return std::make_unique<OwnedFileSource>(file, offset, length, "a temporary file");
      },
      std::make_shared<const Fd>(open_temporary_directory()), context);
}

}  // namespace

std::shared_ptr<const LayerTree> compared_image(ImageSource& source) {
  Trees layers;
  for (std::size_t i = 0; i < source.layers(); ++i)
    layers.push_back(source.layer_tree(i));
  return make_union_view(origin_trees(layers, source.image().chain_ids()));
}

std::shared_ptr<const LayerTree> compared_layer(ImageSource& source, std::size_t index) {
  return std::make_shared<OriginTree>(source.layer_tree(index),
                                      source.image().chain_ids().at(index).str());
}

std::shared_ptr<const LayerTree> compared_container(ContainerStore& store,
                                                    const ContainerInfo& container,
                                                    const Context& context) {
  return with_context(
      [&] { return "reading container " + container.name; },
      [&] {
        const Store& layers = store.images().layers();
        const auto parent = layers.container_parent(container.id);
        const Image image = store.images().find(container.image.str()).image;
        Trees trees = origin_trees(layers.layer_trees(parent), image.chain_ids());
        trees.push_back(outline_changes(store, container, make_union_view(trees), context));
        return make_union_view(std::move(trees));
      });
}

bool is_same_origin(const ByteSource& one, const ByteSource& other) noexcept {
  const auto* first = dynamic_cast<const OriginSource*>(&one);
  const auto* second = dynamic_cast<const OriginSource*>(&other);
  return first != nullptr && second != nullptr && first->is_same(*second);
}

}  // namespace layerkit
