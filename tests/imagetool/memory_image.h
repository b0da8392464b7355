#pragma once

#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "layer_outlines.h"
#include "layerkit/base/byte_stream.h"
#include "layerkit/base/digest.h"
#include "layerkit/imagetool/archive.h"
#include "layerkit/imagetool/image_source.h"

namespace layerkit::testing {

/// A source of a string that it owns.
class OwnedMemorySource final : public ByteSource {
 public:
  explicit OwnedMemorySource(std::shared_ptr<const std::string> text)
      : text_(std::move(text)), source_(*text_) {}
  std::size_t read(std::span<std::byte> buffer) override { return source_.read(buffer); }

 private:
  std::shared_ptr<const std::string> text_;
  MemorySource source_;
};

/// An image that lies nowhere.
class MemoryImage final : public ImageSource {
 public:
  /// Its history has a record for each layer, "layer N".
  explicit MemoryImage(const std::vector<std::string>& tars) : image_(config_of(tars)) {
    for (const std::string& tar : tars)
      tars_.push_back(std::make_shared<const std::string>(tar));
  }

  const Image& image() const noexcept override { return image_; }
  const std::vector<ImageName>& names() const noexcept override { return names_; }
  std::unique_ptr<ByteSource> open_layer(std::size_t index) override {
    return std::make_unique<OwnedMemorySource>(tars_.at(index));
  }
  std::shared_ptr<const LayerTree> layer_tree(std::size_t index) override {
    while (trees_.size() <= index)
      trees_.push_back(outline(*tars_[trees_.size()], view(trees_.size())));
    return trees_[index];
  }
  std::shared_ptr<const LayerTree> view(std::size_t count) override {
    if (count == 0) return nullptr;
    layer_tree(count - 1);
    return make_union_view({trees_.begin(), trees_.begin() + static_cast<std::ptrdiff_t>(count)});
  }

 private:
  static Image config_of(const std::vector<std::string>& tars) {
    nlohmann::json config = {{"architecture", "amd64"},
                             {"os", "linux"},
                             {"created", "2024-05-14T01:28:19.5Z"},
                             {"rootfs", {{"type", "layers"}}},
                             {"history", nlohmann::json::array()}};
    config["rootfs"]["diff_ids"] = nlohmann::json::array();
    for (const std::string& tar : tars) {
      config["rootfs"]["diff_ids"].push_back(DiffId(Sha256::of(tar)).str());
      const std::size_t number = config["history"].size() + 1;
      config["history"].push_back(
          {{"created", "2024-05-14T01:28:19.5Z"}, {"created_by", fmt::format("layer {}", number)}});
    }
    return Image::parse(config.dump());
  }

  Image image_;
  std::vector<ImageName> names_;
  std::vector<std::shared_ptr<const std::string>> tars_;
  std::vector<std::shared_ptr<const LayerTree>> trees_;
};

/// The tars of what was made of images.
inline std::vector<std::string> tars_of(const SaveItem& item) {
  std::vector<std::string> tars;
  for (std::size_t i = 0; i < item.layers.size(); ++i) {
    tars.push_back(read_all(*item.layers[i].open(), 1 << 26, "layer"));
    EXPECT_EQ(DiffId(Sha256::of(tars.back())), item.image.diff_ids().at(i));
  }
  return tars;
}

}  // namespace layerkit::testing
