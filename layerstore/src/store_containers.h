#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "layerkit/layerstore/diff_dir.h"
#include "layerkit/layerstore/store.h"
#include "store_dirs.h"

namespace layerkit {

/// The container layers of a store. Stateless, so thread-safe.
class ContainerLayers {
 public:
  explicit ContainerLayers(const StoreDirs& dirs) : dirs_(dirs) {}

  // Each as the function of Store with the like name.
  void create(const std::string& id,
              const std::optional<ChainId>& chain,
              const std::function<void(int init_diff_fd)>& init) const;
  bool has(const std::string& id) const;
  LayerMount mount(const std::string& id) const;
  LayerPaths paths(const std::string& id) const;
  std::unique_ptr<LayerReader> diff(const std::string& id,
                                    const Context& context,
                                    const DiffReaderOptions& options) const;
  std::optional<ChainId> parent(const std::string& id) const;
  void remove(const std::string& id) const;

 private:
  /// Of the container's pseudo-links; nullopt when there are none.
  std::optional<Fd> find_links(const std::string& id) const;
  /// `changes` of the container on `below`, and what pseudo-links add to them.
  std::unique_ptr<LayerReader> with_linked_names(std::unique_ptr<LayerReader> changes,
                                                 const std::string& id,
                                                 std::shared_ptr<const LayerTree> below) const;
  void require_not_mounted(const std::string& id) const;

  const StoreDirs& dirs_;
};

}  // namespace layerkit
