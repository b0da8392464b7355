#include "archived_image_source.h"

#include <algorithm>
#include <utility>

#include "archive/progress_source.h"
#include "archive/verified_source.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"
#include "layerkit/layerstore/layer_outline.h"
#include "owned_file_source.h"
#include "temporary_directory.h"

namespace layerkit {
namespace {

/// A layer's uncompressed bytes, as they come out of an archive.
class PlainLayer final : public ByteSource {
 public:
  PlainLayer(ArchivedLayer layer,
             const std::string& name,
             const DecompressionLimits& limits,
             const Context& context)
      : layer_(std::move(layer)),
        progress_(*layer_.bytes, name, layer_.size, context),
        plain_(make_decompressing_source(progress_, name, limits)) {}

  Compression compression() const noexcept { return plain_->compression(); }
  /// REQUIRES: nothing compresses it.
  PlainLayerFile place() const { return {layer_.file, layer_.offset, layer_.size, false}; }
  std::size_t read(std::span<std::byte> buffer) override { return plain_->read(buffer); }
  std::uint64_t skip(std::uint64_t count) override { return plain_->skip(count); }

 private:
  ArchivedLayer layer_;
  ProgressSource progress_;
  std::unique_ptr<DecompressingSource> plain_;
};

class ArchivedImageSource final : public ImageSource {
 public:
  ArchivedImageSource(std::shared_ptr<ArchiveReader> archive,
                      ArchivedImage image,
                      const LoadLimits& limits,
                      const Context& context)
      : archive_(std::move(archive)),
        image_(std::move(image)),
        limits_(limits),
        context_(context),
        spooled_(image_.layers.size()) {
    std::ranges::sort(image_.names);
  }

  const Image& image() const noexcept override { return image_.image; }
  const std::vector<ImageName>& names() const noexcept override { return image_.names; }

  std::unique_ptr<ByteSource> open_layer(std::size_t index) override {
    return make_verified_layer(open_plain(index), image_.image.diff_ids().at(index));
  }

  std::optional<PackedLayer> packed_layer(std::size_t index) override {
    auto packed = archive_->packed_layer(image_.layers.at(index));
    if (packed) {
      packed->open = [archive = archive_, handle = image_.layers[index]] {
        return archive->open_layer(handle).bytes;
      };
    }
    return packed;
  }
  std::optional<PlainLayerFile> plain_file(std::size_t index) override {
    if (!spooled_[index]) {
      const auto plain = open_plain(index);
      if (plain->compression() == Compression::None && plain->place().file) return plain->place();
    }
    const auto& file =
        with_context([&] { return describe(index); },
                     [&]() -> const std::shared_ptr<const Fd>& { return spool(index); });
    return PlainLayerFile{file, 0, stat_fd(file->get()).size, true};
  }
  std::optional<OciManifest> manifest() const override { return image_.manifest; }

  std::shared_ptr<const LayerTree> layer_tree(std::size_t index) override {
    while (trees_.size() <= index)
      add_tree();
    return trees_[index];
  }

  bool is_verified(std::size_t index) const override {
    return index < is_compressed_.size() && is_compressed_[index];
  }

  std::shared_ptr<const LayerTree> view(std::size_t count) override {
    if (count == 0) return nullptr;
    layer_tree(count - 1);
    return make_union_view({trees_.begin(), trees_.begin() + static_cast<std::ptrdiff_t>(count)});
  }

 private:
  std::string describe(std::size_t index) const {
    return fmt::format("layer {}/{} ({})", index + 1, image_.layers.size(),
                       image_.image.diff_ids()[index].str());
  }

  std::unique_ptr<PlainLayer> open_plain(std::size_t index) {
    return std::make_unique<PlainLayer>(archive_->open_layer(image_.layers.at(index)),
                                        describe(index), limits_.decompression, context_);
  }

  void add_tree();
  std::unique_ptr<ByteSource> bytes_at(std::size_t index,
                                       std::uint64_t offset,
                                       std::uint64_t length);
  const std::shared_ptr<const Fd>& spool(std::size_t index);

  std::shared_ptr<ArchiveReader> archive_;
  ArchivedImage image_;
  LoadLimits limits_;
  const Context& context_;
  std::shared_ptr<const Fd> temporary_ = std::make_shared<const Fd>(open_temporary_directory());
  std::vector<std::shared_ptr<const LayerTree>> trees_;
  std::vector<bool> is_compressed_;                 ///< of the layers that have trees
  std::vector<std::shared_ptr<const Fd>> spooled_;  ///< plain bytes of compressed layers
};

void ArchivedImageSource::add_tree() {
  const std::size_t index = trees_.size();
  with_context([&] { return describe(index); },
               [&] {
                 auto plain = open_plain(index);
                 is_compressed_.push_back(plain->compression() != Compression::None);
                 // What has to be read in full anyway is verified on the way.
                 std::unique_ptr<ByteSource> tar = std::move(plain);
                 if (is_compressed_.back()) {
                   tar = make_verified_layer(std::move(tar), image_.image.diff_ids()[index]);
                 }
                 trees_.push_back(outline_layer(
                     *tar, view(index),
                     [this, index](std::uint64_t offset, std::uint64_t length) {
                       return bytes_at(index, offset, length);
                     },
                     temporary_, context_));
               });
}

std::unique_ptr<ByteSource> ArchivedImageSource::bytes_at(std::size_t index,
                                                          std::uint64_t offset,
                                                          std::uint64_t length) {
  if (!is_compressed_[index]) return archive_->open_layer_at(image_.layers[index], offset);
  return std::make_unique<OwnedFileSource>(spool(index), offset, length, "a temporary file");
}

/// What is compressed cannot be read at random: it is decompressed once, when it is needed.
const std::shared_ptr<const Fd>& ArchivedImageSource::spool(std::size_t index) {
  if (!spooled_[index]) {
    auto file = std::make_shared<const Fd>(open_temporary_file());
    FdSink sink(file->get(), "a temporary file");
    copy_bytes(*open_layer(index), sink);
    spooled_[index] = std::move(file);
  }
  return spooled_[index];
}

}  // namespace

std::unique_ptr<ImageSource> make_archived_image_source(std::shared_ptr<ArchiveReader> archive,
                                                        ArchivedImage image,
                                                        const LoadLimits& limits,
                                                        const Context& context) {
  return std::make_unique<ArchivedImageSource>(std::move(archive), std::move(image), limits,
                                               context);
}

}  // namespace layerkit
