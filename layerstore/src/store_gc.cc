#include "store_gc.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "staging.h"

namespace layerkit {
namespace {

using Layers = std::map<ChainId, LayerInfo>;

Layers read_layers(const StoreDirs& dirs) {
  Layers layers;
  for (const LayerRecord& record : dirs.layers()) {
    layers.emplace(record.info.chain, record.info);
  }
  return layers;
}

/// Marks `chain` and what it stands on. A chain the store does not have needs nothing.
void mark(const Layers& layers, const std::optional<ChainId>& chain, std::set<ChainId>& needed) {
  for (std::optional<ChainId> next = chain; next;) {
    const auto found = layers.find(*next);
    if (found == layers.end() || !needed.insert(*next).second) return;
    next = found->second.parent;
  }
}

/// Layers on the way from `chain` to its base.
std::size_t depth(const Layers& layers,
                  const ChainId& chain,
                  std::map<ChainId, std::size_t>& known) {
  std::vector<ChainId> path;
  std::size_t below = 0;
  for (std::optional<ChainId> next = chain; next;) {
    const auto done = known.find(*next);
    if (done != known.end()) {
      below = done->second;
      break;
    }
    path.push_back(*next);
    const auto found = layers.find(*next);
    next = found == layers.end() ? std::nullopt : found->second.parent;
  }
  for (auto step = path.rbegin(); step != path.rend(); ++step)
    known[*step] = ++below;
  return below;
}

std::vector<LayerInfo> children_first(const Layers& layers, const std::set<ChainId>& needed) {
  std::map<ChainId, std::size_t> depths;
  std::vector<LayerInfo> unneeded;
  for (const auto& [chain, info] : layers) {
    if (needed.contains(chain)) continue;
    depth(layers, chain, depths);
    unneeded.push_back(info);
  }
  std::stable_sort(unneeded.begin(), unneeded.end(), [&](const LayerInfo& a, const LayerInfo& b) {
    return depths.at(a.chain) > depths.at(b.chain);
  });
  return unneeded;
}

/// Init layers whose container is gone: a removal was interrupted.
std::vector<std::string> orphaned_init_layers(const StoreDirs& dirs) {
  const auto containers = dirs.containers(ContainerRole::Container);
  std::vector<std::string> orphans = dirs.containers(ContainerRole::Init);
  std::erase_if(orphans, [&](const std::string& init) {
    return std::any_of(containers.begin(), containers.end(),
                       [&](const std::string& id) { return init_name(id) == init; });
  });
  return orphans;
}

/// Out of sight first, durably, before anything is deleted: whoever is killed in the middle leaves
/// whole layers, or litter, but no half layer.
void remove_directories(const StoreDirs& dirs, const std::vector<std::string>& names) {
  const StagingDir staging(dirs.staging());
  dirs.layout().withdraw(staging, names);
  dirs.layout().remove_litter(staging.fd());
  for (const std::string& name : names)
    remove_tree_at(staging.fd(), name);
}

}  // namespace

std::vector<LayerInfo> collect_garbage(const StoreDirs& dirs, const std::vector<ChainId>& keep) {
  const Layers layers = read_layers(dirs);
  std::set<ChainId> needed;
  for (const ChainId& chain : keep)
    mark(layers, chain, needed);
  for (const std::string& id : dirs.containers(ContainerRole::Container)) {
    const auto record = dirs.find_container(id);
    if (record) mark(layers, record->parent, needed);  // else it was removed meanwhile
  }
  std::vector<LayerInfo> removed = children_first(layers, needed);
  std::vector<std::string> names = orphaned_init_layers(dirs);
  for (const LayerInfo& info : removed)
    names.push_back(info.chain.hex());
  remove_directories(dirs, names);
  sweep_staging(dirs.staging());
  return removed;
}

}  // namespace layerkit
