#include <algorithm>
#include <optional>

#include "image_repair.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"

namespace layerkit {
namespace {

/// Where a layer stands in a stack.
struct Place {
  std::optional<ChainId> parent;
  DiffId diff_id;
  std::size_t depth;
};

class Restoration {
 public:
  Restoration(ImageStore& store,
              StoreInspection& inspection,
              ArchiveReader& archive,
              const LostObjects& lost,
              const Context& context)
      : store_(store),
        inspection_(inspection),
        archive_(archive),
        lost_layers_(lost.layers),
        lost_images_(lost.images),
        context_(context) {}

  /// An archive may hold one image for several platforms; those asked for tell which.
  void read(const std::vector<Image>& known) {
    std::set<std::string> platforms;
    for (const Image& image : known) {
      learn(image);
      platforms.insert(image.platform().str());
    }
    read_platform(std::nullopt);
    for (const std::string& platform : platforms) {
      attempt("reading " + quoted(archive_.name()),
              [&] { read_platform(Platform::parse(platform)); });
    }
  }

  void run() {
    for (const auto& [id, image] : archived_) {
      if (lost_images_.contains(id)) want_layers(image);
    }
    for (const ChainId& chain : base_first()) {
      context_.check_interrupted();
      attempt("restoring layer " + chain.str(), [&] { restore(chain); });
    }
    for (const auto& [id, image] : archived_) {
      if (!lost_images_.contains(id)) continue;
      const Image& config = image;
      attempt("restoring image " + id.str(), [&] { store_.put(config); });
    }
  }

 private:
  template <typename Work>
  void attempt(const std::string& what, const Work& work) {
    try {
      work();
    } catch (const Error& error) {
      if (error.code() == Errc::Interrupted) throw;
      context_.warn(what + ": " + error.message());
    }
  }

  void learn(const Image& image) {
    std::optional<ChainId> parent;
    std::size_t depth = 0;
    const std::vector<ChainId> chains = image.chain_ids();
    for (std::size_t i = 0; i < chains.size(); ++i) {
      places_.try_emplace(chains[i], Place{parent, image.diff_ids()[i], depth++});
      parent = chains[i];
    }
  }

  void read_platform(const std::optional<Platform>& platform) {
    for (const ArchivedImage& archived : archive_.images(platform)) {
      learn(archived.image);
      archived_.try_emplace(archived.image.id(), archived.image);
      for (std::size_t i = 0; i < archived.layers.size(); ++i) {
        handles_.try_emplace(archived.image.diff_ids()[i], archived.layers[i]);
      }
    }
  }

  void want_layers(const Image& image) {
    for (const ChainId& chain : image.chain_ids()) {
      try {
        if (!store_.layers().find(chain)) lost_layers_.insert(chain);
      } catch (const Error&) {
        lost_layers_.insert(chain);
      }
    }
  }

  std::vector<ChainId> base_first() const {
    std::vector<ChainId> chains;
    for (const ChainId& chain : lost_layers_) {
      if (places_.contains(chain)) chains.push_back(chain);
    }
    std::stable_sort(chains.begin(), chains.end(), [&](const ChainId& a, const ChainId& b) {
      return places_.at(a).depth < places_.at(b).depth;
    });
    return chains;
  }

  void restore(const ChainId& chain) {
    const Place& place = places_.at(chain);
    const auto handle = handles_.find(place.diff_id);
    if (handle == handles_.end()) return;  // not in this archive
    const ArchivedLayer archived = archive_.open_layer(handle->second);
    const auto plain = make_decompressing_source(*archived.bytes, "layer");
    const auto transaction = inspection_.begin_replacing();
    transaction->add(place.parent, *plain, place.diff_id, context_);
    // The end is where the archive's own size and digest are compared.
    drain(*plain);
    drain(*archived.bytes);
    transaction->commit();
  }

  ImageStore& store_;
  StoreInspection& inspection_;
  ArchiveReader& archive_;
  std::set<ChainId> lost_layers_;
  const std::set<ImageId>& lost_images_;
  const Context& context_;
  std::map<ChainId, Place> places_;
  std::map<DiffId, std::string> handles_;
  std::map<ImageId, Image> archived_;
};

}  // namespace

void restore_from_archive(ImageStore& store,
                          StoreInspection& inspection,
                          ArchiveReader& archive,
                          const std::vector<Image>& known,
                          const LostObjects& lost,
                          const Context& context) {
  Restoration restoration(store, inspection, archive, lost, context);
  restoration.read(known);
  restoration.run();
}

}  // namespace layerkit
