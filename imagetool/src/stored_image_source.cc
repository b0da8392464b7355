#include <utility>

#include "layerkit/imagetool/image_source.h"

namespace layerkit {
namespace {

class StoredImageSource final : public ImageSource {
 public:
  StoredImageSource(ImageStore& store, ImageStore::Record record)
      : store_(store), record_(std::move(record)), chains_(record_.image.chain_ids()) {}

  const Image& image() const noexcept override { return record_.image; }
  bool is_stored() const noexcept override { return true; }
  const std::vector<ImageName>& names() const noexcept override { return record_.names; }

  std::unique_ptr<ByteSource> open_layer(std::size_t index) override {
    return store_.layers().open_layer(chains_.at(index));
  }

  std::shared_ptr<const LayerTree> layer_tree(std::size_t index) override {
    if (trees_.empty()) trees_ = store_.layers().layer_trees(record_.image.top());
    return trees_.at(index);
  }

  std::shared_ptr<const LayerTree> view(std::size_t count) override {
    if (count == 0) return nullptr;
    layer_tree(count - 1);
    return make_union_view({trees_.begin(), trees_.begin() + static_cast<std::ptrdiff_t>(count)});
  }

 private:
  ImageStore& store_;
  ImageStore::Record record_;
  std::vector<ChainId> chains_;
  std::vector<std::shared_ptr<const LayerTree>> trees_;
};

}  // namespace

std::unique_ptr<ImageSource> make_stored_image_source(ImageStore& store,
                                                      ImageStore::Record record) {
  return std::make_unique<StoredImageSource>(store, std::move(record));
}

}  // namespace layerkit
