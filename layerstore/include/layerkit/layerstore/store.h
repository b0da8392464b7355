#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "layerkit/base/byte_stream.h"
#include "layerkit/base/context.h"
#include "layerkit/base/digest.h"
#include "layerkit/base/fd.h"
#include "layerkit/base/file.h"
#include "layerkit/layerstore/diff_dir.h"
#include "layerkit/layerstore/layer_stream.h"
#include "layerkit/layerstore/layer_tree.h"
#include "layerkit/layerstore/store_driver.h"
#include "layerkit/layerstore/tar.h"

namespace layerkit {

/// A committed layer.
struct LayerInfo {  // NOLINT(cppcoreguidelines-pro-type-member-init): digests have no default
  ChainId chain;
  DiffId diff_id;
  std::optional<ChainId> parent;
  std::uint64_t size = 0;      ///< bytes of its regular files
  std::uint64_t tar_size = 0;  ///< bytes of its uncompressed tar
};

/// What to mount, as descriptors (O_PATH directories) so that no path can be swapped meanwhile.
struct LayerMount {
  std::vector<Fd> lower;  ///< nearest first; never empty but for an image without layers
  Fd upper;               ///< containers only
  Fd work;                ///< containers only, and not for AUFS
};

/// The same in the words of `docker inspect`, GraphDriver.Data.
struct LayerPaths {
  std::vector<std::string> lower;  ///< nearest first
  std::string upper;               ///< the layer's own diff directory
  std::string work;                ///< empty for AUFS
  std::string merged;
};

/// Layers on their way into a store. Nothing of them is visible to anybody before `commit`, and
/// nothing is left behind when it is destroyed without. Layers of one transaction may build on
/// each other and on committed ones. Not thread-safe.
class LayerTransaction {
 public:
  LayerTransaction() = default;
  LayerTransaction(const LayerTransaction&) = delete;
  LayerTransaction& operator=(const LayerTransaction&) = delete;
  virtual ~LayerTransaction() = default;

  /// Unpacks an uncompressed layer tar on `parent`, hashing every byte. Throws Error{Integrity}
  /// when `expected` is given and differs. A layer that is in the store or in this transaction
  /// already is not stored twice: the second copy is dropped, the info is the same.
  virtual LayerInfo add(const std::optional<ChainId>& parent,
                        ByteSource& tar,
                        const std::optional<DiffId>& expected,
                        const Context& context) = 0;
  /// Makes all added layers durable with one syncfs and renames them in, parents first.
  virtual void commit() = 0;
};

/// Content-addressed layers and container layers in one directory, laid out as by Docker's overlay2
/// or AUFS driver.
/// The format is docs/formats/store.md. Any number of processes may use one store at a time;
/// a Store object may be shared by threads.
///
/// Whoever adds a layer and then publishes a reference to it must hold a shared lock from before
/// the transaction until after the publication; `remove_unreferenced` holds an exclusive one.
class Store {
 public:
  Store() = default;
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;
  virtual ~Store() = default;

  virtual FileLock lock(LockKind kind) const = 0;

  virtual StoreDriver driver() const = 0;
  /// Asks the store's probe again: what works here may have changed since the store was made.
  virtual DriverInfo driver_info() const = 0;

  // --- image layers ---
  virtual std::optional<LayerInfo> find(const ChainId& chain) const = 0;
  virtual std::vector<LayerInfo> layers() const = 0;
  virtual std::unique_ptr<LayerTransaction> begin() = 0;
  /// Writes the layer's tar as it was imported, byte for byte. Throws Error{Integrity} that names
  /// the file when something in the store was changed; what was written until then is void.
  virtual void export_layer(const ChainId& chain, ByteSink& tar, const Context& context) const = 0;
  /// The same bytes to read; they are void unless the end is reached. Must not outlive the store.
  virtual std::unique_ptr<ByteSource> open_layer(const ChainId& chain) const = 0;
  /// Deletes every layer that `keep` does not need (ancestors of kept ones and layers of
  /// containers are kept) and whatever dead processes left in staging. Returns the removed,
  /// children before parents. REQUIRES: the caller holds the exclusive lock.
  virtual std::vector<LayerInfo> remove_unreferenced(const std::vector<ChainId>& keep) = 0;

  /// The trees of a stack's layers, base first: those that a layer with an opaque root hides are
  /// left out of the view only.
  virtual std::vector<std::shared_ptr<const LayerTree>> layer_trees(
      const std::optional<ChainId>& chain) const = 0;
  /// The merged view of a stack; null chain: an empty root.
  virtual std::shared_ptr<const LayerTree> view(const std::optional<ChainId>& chain) const = 0;
  virtual LayerMount mount_layers(const std::optional<ChainId>& chain) const = 0;
  virtual LayerPaths paths(const ChainId& chain) const = 0;

  // --- container layers: `id` is [a-zA-Z0-9][a-zA-Z0-9_.-]* of at most 250 bytes, but neither "l"
  // nor "*-init"; "<id>-init" lies below it ---
  /// Makes `<id>-init` on `chain`, filled by `init` (may be null) through a descriptor of its diff
  /// directory, and an empty `<id>` on it. The root directories of both look like the image's.
  /// Takes the shared lock itself: REQUIRES that the caller does not hold the exclusive one.
  /// Throws Error{Exists} when the name is taken.
  virtual void create_container(const std::string& id,
                                const std::optional<ChainId>& chain,
                                const std::function<void(int init_diff_fd)>& init) = 0;
  virtual bool has_container(const std::string& id) const = 0;
  virtual LayerMount mount_container(const std::string& id) const = 0;
  virtual LayerPaths container_paths(const std::string& id) const = 0;
  /// What the container changed on top of its image: the init layer is neither shown nor counted
  /// as a difference (an init file that the container left alone never appears).
  virtual std::unique_ptr<LayerReader> container_diff(
      const std::string& id,
      const Context& context,
      const DiffReaderOptions& options = {}) const = 0;
  /// The image below a container, without its init layer.
  virtual std::optional<ChainId> container_parent(const std::string& id) const = 0;
  /// Throws Error{Busy} while something is mounted on its `merged` directory.
  virtual void remove_container(const std::string& id) = 0;

  /// A file without a name on the store's file system (O_TMPFILE), for spooling.
  virtual Fd temporary_file() const = 0;
};

struct StoreOptions {
  TarLimits tar_limits = {};  ///< of each layer
  /// What the layers of one transaction may unpack to together.
  std::uint64_t transaction_bytes = std::uint64_t{512} << 30;
  /// The driver of a new store; nullopt: overlay2 where the probe finds nothing wrong, else AUFS.
  /// A store that exists must have this one.
  std::optional<StoreDriver> driver = std::nullopt;
  /// Empty: overlay2 is believed to work.
  OverlayProbe overlay_probe = {};
};

/// Opens the store in `root`, creating it (0710) when absent. Throws Error{Unsupported} for a
/// version it does not know, Error{Invalid} when `root` is not a store and not empty, or when it
/// has another driver than the options say.
/// Cleans staging directories whose owners are dead.
std::unique_ptr<Store> open_store(const std::string& root, const StoreOptions& options = {});

}  // namespace layerkit
