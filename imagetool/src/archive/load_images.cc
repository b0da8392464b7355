#include <set>

#include "archive/progress_source.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/archive.h"

namespace layerkit {
namespace {

/// "image 1/2 (debian:12)".
std::string describe(const std::vector<ArchivedImage>& images, std::size_t number) {
  const ArchivedImage& image = images[number];
  const std::string name = image.names.empty() ? image.image.id().str() : image.names.front().str();
  return fmt::format("image {}/{} ({})", number + 1, images.size(), name);
}

/// Images and layers that were made visible, until `names` point at them. When that fails they are
/// taken back.
class Publication {
 public:
  Publication(ImageStore& store, FileLock lock) : store_(store), lock_(std::move(lock)) {
    for (const ImageStore::Record& record : store.list()) {
      before_.insert(record.image.id());
    }
  }
  Publication(const Publication&) = delete;
  Publication& operator=(const Publication&) = delete;

  ~Publication() {
    if (done_ || !started_) return;
    try {
      take_back();
    } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch): the failure that led here
    }                                  // counts; what stays is unreferenced, and the next rmi's
  }

  void commit(LayerTransaction& transaction) {
    started_ = true;
    transaction.commit();
  }

  void put(const Image& image) {
    store_.put(image);
    if (!before_.contains(image.id())) added_.push_back(image.id());
  }

  std::map<ImageName, ImageId> set_names(const std::map<ImageName, ImageId>& names) {
    auto moved = names.empty() ? std::map<ImageName, ImageId>() : store_.set_names(names);
    done_ = true;
    return moved;
  }

 private:
  void take_back() {
    lock_.reset();  // removing takes the exclusive lock
    for (const ImageId& image : added_) {
      store_.remove(image.hex(), true);
    }
    const FileLock exclusive = store_.layers().lock(LockKind::Exclusive);
    std::vector<ChainId> keep;
    for (const ImageStore::Record& record : store_.list()) {
      if (const auto top = record.image.top()) keep.push_back(*top);
    }
    store_.layers().remove_unreferenced(keep);
  }

  ImageStore& store_;
  std::optional<FileLock> lock_;
  std::set<ImageId> before_;
  std::vector<ImageId> added_;
  bool started_ = false;
  bool done_ = false;
};

class Load {
 public:
  Load(ImageStore& store, ArchiveReader& archive, const Context& context, const LoadLimits& limits)
      : store_(store), archive_(archive), context_(context), limits_(limits) {}

  std::vector<LoadResult> run(const std::optional<Platform>& platform) {
    images_ = archive_.images(platform);
    // From before the first layer until the names are set nobody may remove what nobody uses yet.
    FileLock lock = store_.layers().lock(LockKind::Shared);
    check_layers();
    const auto transaction = store_.layers().begin();
    for (std::size_t i = 0; i < images_.size(); ++i) {
      with_context([&] { return describe(images_, i); }, [&] { unpack(i, *transaction); });
    }
    context_.check_interrupted();
    return publish(*transaction, std::move(lock));
  }

 private:
  /// Calls `use(number, chain, parent)` for each layer that the store lacks, base first.
  template <typename Use>
  void for_each_missing(const ArchivedImage& image, std::set<ChainId>& present, Use&& use) {
    const std::vector<ChainId> chains = image.image.chain_ids();
    std::optional<ChainId> parent;
    for (std::size_t i = 0; i < chains.size(); ++i) {
      if (!present.contains(chains[i]) && !store_.layers().find(chains[i])) {
        with_context(
            [&] {
              return fmt::format("layer {}/{} ({})", i + 1, chains.size(),
                                 image.image.diff_ids()[i].str());
            },
            [&] { use(i, parent); });
      }
      present.insert(chains[i]);
      parent = chains[i];
    }
  }

  /// A layer that the archive lacks is found before gigabytes of others were unpacked.
  void check_layers() {
    std::set<ChainId> present;
    for (std::size_t i = 0; i < images_.size(); ++i) {
      with_context([&] { return describe(images_, i); },
                   [&] {
                     for_each_missing(images_[i], present, [&](std::size_t layer, const auto&) {
                       check_presence(images_[i].layers[layer]);
                     });
                   });
    }
  }

  void check_presence(const std::string& layer) {
    try {
      archive_.open_layer(layer);
    } catch (const Error& error) {
      if (error.code() != Errc::NotFound) throw;
      fail(Errc::NotFound,
           "{}, and the store does not have it either: load the image that the archive builds on "
           "first",
           error.message());
    }
  }

  void unpack(std::size_t number, LayerTransaction& transaction) {
    const ArchivedImage& image = images_[number];
    for_each_missing(image, unpacked_, [&](std::size_t layer, const auto& parent) {
      const std::string what =
          fmt::format("{}: layer {}/{}", describe(images_, number), layer + 1, image.layers.size());
      const ArchivedLayer archived = archive_.open_layer(image.layers[layer]);
      ProgressSource counted(*archived.bytes, what, archived.size, context_);
      const auto plain = make_decompressing_source(counted, "layer", limits_.decompression);
      transaction.add(parent, *plain, image.image.diff_ids()[layer], context_);
      // The end is where the archive's own size and digest are compared.
      drain(*plain);
      drain(counted);
      warn_of_other_compression(archived.declared, plain->compression(), what);
    });
  }

  void warn_of_other_compression(std::optional<Compression> declared,
                                 Compression actual,
                                 const std::string& what) const {
    if (!declared || *declared == actual) return;
    context_.warn(fmt::format("{}: its compression is {}, its media type says {}", what,
                              compression_name(actual), compression_name(*declared)));
  }

  std::vector<LoadResult> publish(LayerTransaction& transaction, FileLock lock) {
    Publication publication(store_, std::move(lock));
    publication.commit(transaction);
    std::map<ImageName, ImageId> names;
    for (const ArchivedImage& archived : images_) {
      publication.put(archived.image);
      for (const ImageName& name : archived.names) {
        names.insert_or_assign(name, archived.image.id());
      }
    }
    return results(names, publication.set_names(names));
  }

  std::vector<LoadResult> results(const std::map<ImageName, ImageId>& names,
                                  const std::map<ImageName, ImageId>& moved) const {
    std::vector<LoadResult> all;
    for (const ArchivedImage& archived : images_) {
      LoadResult result{archived.image.id(), {}, {}};
      for (const ImageName& name : archived.names) {
        if (names.at(name) != result.image) continue;  // a later image of the archive took it
        result.names.push_back(name);
        const auto old = moved.find(name);
        if (old != moved.end() && old->second != result.image) result.moved.insert(*old);
      }
      all.push_back(std::move(result));
    }
    return all;
  }

  ImageStore& store_;
  ArchiveReader& archive_;
  const Context& context_;
  LoadLimits limits_;
  std::vector<ArchivedImage> images_;
  std::set<ChainId> unpacked_;
};

}  // namespace

std::vector<LoadResult> load_images(ImageStore& store,
                                    ArchiveReader& archive,
                                    const std::optional<Platform>& platform,
                                    const Context& context,
                                    const LoadLimits& limits) {
  return with_context([&] { return "loading " + quoted(archive.name()); },
                      [&] { return Load(store, archive, context, limits).run(platform); });
}

}  // namespace layerkit
