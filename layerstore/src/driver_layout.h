#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "layerkit/base/fd.h"
#include "layerkit/layerstore/store_driver.h"
#include "staging.h"

namespace layerkit {

/// The parts of a layer directory that a mount, or another tool, looks for. What only the store
/// reads (records, recipe, index, replaced contents) lies in Records, by the names of store_file.
enum class LayerPart { Records, Diff, Work, Mount };

enum class LayerKind { Image, Container, Init };

/// What other tools find beside a layer's files.
struct LayerFrame {
  std::string name;
  LayerKind kind = LayerKind::Image;
  /// Names of the layers that a mount has below it, nearest first; nullopt: a base layer. Empty
  /// when the layer's root is opaque.
  std::optional<std::vector<std::string>> below;
};

/// A layer directory on its way into the store. In the staging directory it looks the same with
/// every driver: records, `diff`, and what add_frame made.
struct StagedDir {
  std::string staged_name;  ///< in the staging directory
  std::string name;         ///< what it will be called
};

/// What publish does when the name is taken.
enum class IfTaken {
  Fail,     ///< Errc::Exists
  KeepOld,  ///< leaves the new one in the staging directory when the old one is an image layer
  Replace,  ///< leaves the old one in the staging directory
};

/// Where a storage driver keeps the parts of a layer directory, and the order in which they come
/// and go: docs/formats/store.md. Whoever calls it writes records and `diff`, and makes their
/// contents durable; nothing outside asks which driver it is. Stateless, so thread-safe.
class DriverLayout {
 public:
  DriverLayout() = default;
  DriverLayout(const DriverLayout&) = delete;
  DriverLayout& operator=(const DriverLayout&) = delete;
  virtual ~DriverLayout() = default;

  virtual StoreDriver driver() const noexcept = 0;
  /// Path below the store's directory; nullopt: the driver has no such part.
  virtual std::optional<std::string> place(const std::string& name, LayerPart part) const = 0;
  /// Names of the directories that may have records.
  virtual std::vector<std::string> names() const = 0;

  /// Writes the frame into a staged directory; `diff` is not touched.
  virtual void add_frame(int staged_dir, const LayerFrame& frame) const = 0;
  /// Makes what may be seen before the layers are, so that one sync of the file system covers it.
  virtual void prepare(const std::vector<StagedDir>& layers) const = 0;
  /// Puts whole layers into place, in this order, durably. The records come last: with them a
  /// layer is there. REQUIRES: prepared.
  virtual void publish(int staging,
                       const std::vector<StagedDir>& layers,
                       IfTaken if_taken) const = 0;
  /// Takes layers out of sight, in this order, durably; each becomes a directory of its name in
  /// `staging`. The records go first. An absent one is passed over: somebody else was faster.
  virtual void withdraw(const StagingDir& staging, const std::vector<std::string>& names) const = 0;
  /// Takes away what processes that died in `publish` or `withdraw` left outside of staging
  /// directories. REQUIRES: the caller holds the store's lock exclusively.
  virtual void remove_litter(int staging) const = 0;
};

/// `root` is the store's open directory.
std::unique_ptr<const DriverLayout> make_driver_layout(StoreDriver driver, int root);

/// Path of the records of a layer or container below the store's directory.
std::string records_place(StoreDriver driver, const std::string& name);
/// Makes the driver's directories in a new store.
void make_driver_directories(StoreDriver driver, int root);
/// The driver whose layout `root` has; nullopt when there is none yet. Throws Error{Integrity} for
/// both.
std::optional<StoreDriver> find_driver(int root);

// One of each per driver: overlay_layout.cc, aufs_layout.cc.
std::unique_ptr<const DriverLayout> make_overlay_layout(int root);
std::unique_ptr<const DriverLayout> make_aufs_layout(int root);
void make_overlay_directories(int root);
void make_aufs_directories(int root);

}  // namespace layerkit
