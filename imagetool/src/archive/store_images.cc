#include <utility>

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/archive.h"

namespace layerkit {
namespace {

/// Images that are not in an archive, but might be.
class ImagesAtHand final : public ArchiveReader {
 public:
  explicit ImagesAtHand(const std::vector<SaveItem>& items) : items_(items) {}

  const std::string& name() const noexcept override { return name_; }
  std::string_view format() const noexcept override { return "image"; }

  std::vector<ArchivedImage> images(const std::optional<Platform>& /*platform*/) override {
    std::vector<ArchivedImage> images;
    for (std::size_t item = 0; item < items_.size(); ++item) {
      ArchivedImage image{items_[item].image, items_[item].names, {}};
      for (std::size_t layer = 0; layer < items_[item].layers.size(); ++layer)
        image.layers.push_back(fmt::format("{}/{}", item, layer));
      images.push_back(std::move(image));
    }
    return images;
  }

  ArchivedLayer open_layer(const std::string& handle) override {
    const LayerInput& layer = find(handle);
    return {layer.open(), layer.size.value_or(0), Compression::None};
  }

  std::unique_ptr<ByteSource> open_layer_at(const std::string& handle,
                                            std::uint64_t offset) override {
    auto bytes = find(handle).open();
    bytes->skip(offset);
    return bytes;
  }

 private:
  const LayerInput& find(const std::string& handle) const {
    const auto numbers = split(handle, '/');
    return items_.at(parse_decimal(numbers.at(0)).value())
        .layers.at(parse_decimal(numbers.at(1)).value());
  }

  const std::vector<SaveItem>& items_;
  std::string name_ = "the new image";
};

}  // namespace

std::vector<LoadResult> store_images(ImageStore& store,
                                     const std::vector<SaveItem>& items,
                                     const Context& context) {
  ImagesAtHand images(items);
  return load_images(store, images, std::nullopt, context);
}

}  // namespace layerkit
