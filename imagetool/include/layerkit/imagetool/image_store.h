#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "layerkit/imagetool/image.h"
#include "layerkit/layerstore/store.h"

namespace layerkit {

/// A full image name: "docker.io/library/debian:12" is written "debian:12" for people (docker's
/// familiar form). Parsed by the grammar of distribution/reference.
class ImageName {
 public:
  /// Adds ":latest" where no tag is given. Throws Error{Invalid} that quotes the text.
  static ImageName parse(std::string_view text);
  /// Familiar form, always with tag: "debian:12", "example.org/team/app:1".
  std::string str() const { return repository_ + ":" + tag_; }
  /// Without default domain and "library/": as `docker images` shows it.
  const std::string& repository() const noexcept { return repository_; }
  const std::string& tag() const noexcept { return tag_; }
  /// "docker.io/library/debian:12": what containerd and podman annotate.
  std::string full() const;
  auto operator<=>(const ImageName&) const = default;

 private:
  std::string repository_;
  std::string tag_;
};

/// Images and their names on top of a layer store: `<root>/images/<hex>` holds config bytes,
/// `<root>/names.json` the names. Formats: docs/formats/store.md. Safe for many processes.
/// Writers (put, set_name, remove_*) take the names lock for a moment; readers take none.
class ImageStore {
 public:
  /// Opens or creates `<root>` and the layer store in it. Where a new store names no driver, and
  /// its options no probe, find_overlay_problem decides.
  static std::unique_ptr<ImageStore> open(const std::string& root, StoreOptions options = {});
  /// The same on a layer store that is open already. REQUIRES: it lives in `root`.
  static std::unique_ptr<ImageStore> open(const std::string& root, std::unique_ptr<Store> layers);

  ImageStore() = default;
  ImageStore(const ImageStore&) = delete;
  ImageStore& operator=(const ImageStore&) = delete;
  virtual ~ImageStore() = default;

  virtual Store& layers() noexcept = 0;
  virtual const std::string& root() const noexcept = 0;

  struct Record {
    Image image;
    std::vector<ImageName> names;  ///< sorted
    std::string last_tagged;       ///< RFC 3339, when a name was last set; empty without names
  };
  /// Every image with its names, newest created first.
  virtual std::vector<Record> list() const = 0;
  /// By name, by ID ("sha256:…", 64 hex) or by unambiguous prefix of the hex. Throws
  /// Error{NotFound} "No such image: …", Error{Invalid} for an ambiguous prefix.
  virtual Record find(std::string_view name_or_id) const = 0;
  /// Stores the config (durable). REQUIRES: its layers are committed and the caller holds a shared
  /// layer lock from before they were.
  virtual void put(const Image& image) = 0;
  /// Points names at images, all at once and durably; moved names are returned with the image they
  /// pointed at before. REQUIRES: the images were put.
  virtual std::map<ImageName, ImageId> set_names(const std::map<ImageName, ImageId>& names) = 0;

  /// The containers (their names, for people) that use an image. Set once, by the program that
  /// knows containers, before the store is shared; without it no image counts as used. It is
  /// called under the exclusive layer lock: whoever makes a container holds a shared one from
  /// before it looks the image up until the container's record is on disk.
  using Users = std::function<std::vector<std::string>(const ImageId&)>;
  virtual void set_users(Users users) = 0;

  struct Removed {
    std::vector<ImageName> untagged;
    std::optional<ImageId> image;   ///< set when the last name went and the config was deleted
    std::vector<LayerInfo> layers;  ///< deleted with it, children before parents
  };
  /// As `docker rmi`: a name is untagged; with the last name, or by ID, the image goes and the
  /// layers nobody needs. Throws Error{Busy} when a container uses it (unless `force` untags only)
  /// or an ID has several names (unless `force`).
  virtual Removed remove(std::string_view name_or_id, bool force) = 0;
  struct Pruned {
    std::vector<ImageName> untagged;
    std::vector<ImageId> images;
    std::vector<LayerInfo> layers;  ///< children before parents
  };
  /// Removes, in one step, every image that `unwanted` says true of and that nobody uses, its names
  /// with it, and all layers that then nobody needs.
  virtual Pruned prune(const std::function<bool(const Record&)>& unwanted) = 0;
  /// Sum of the sizes of all layers.
  virtual std::uint64_t size(const Image& image) const = 0;
};

}  // namespace layerkit
