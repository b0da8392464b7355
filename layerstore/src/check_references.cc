#include <algorithm>

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "store_checks.h"

namespace layerkit {
namespace {

class ReferencesCheck {
 public:
  ReferencesCheck(Examination& examination,
                  const StoreFrame& frame,
                  const Survey& survey,
                  const StoreReferences& references)
      : examination_(examination), frame_(frame), survey_(survey), references_(references) {}

  void run() {
    for (const auto& [chain, record] : survey_.layers) {
      if (record.info.parent) need(*record.info.parent, "layer " + chain.str());
    }
    for (const StoreReferences::Stack& stack : references_.stacks) {
      for (const ChainId& chain : stack.chains)
        need(chain, stack.user);
    }
    for (const auto& [name, record] : survey_.containers) {
      if (record.parent) need(*record.parent, "container " + quoted(name));
    }
    if (references_.containers) examine_containers();
    // A container's record that cannot be read may need any layer.
    if (references_.known == StoreReferences::Known::Some || !survey_.unsound_containers.empty()) {
      return;
    }
    mark_needed();
    examine_unneeded_unsound();
    // And so may a layer's, unless an image tells what is below it.
    const bool all_told =
        std::all_of(survey_.unsound_layers.begin(), survey_.unsound_layers.end(),
                    [&](const ChainId& chain) { return in_stacks_.contains(chain); });
    if (all_told) examine_unneeded();
  }

 private:
  std::string object(const ChainId& chain) const {
    return frame_.check->records().object(chain.hex());
  }

  bool has(const ChainId& chain) const {
    return survey_.layers.contains(chain) || survey_.unsound_layers.contains(chain);
  }

  void need(const ChainId& chain, const std::string& user) {
    if (has(chain) || !missing_.insert(chain).second) return;
    // A listing made while a load commits may have a layer and not its parent.
    examination_.found_passing({"layer-missing", object(chain),
                                fmt::format("it is not in the store, but {} needs it", user),
                                Severity::Damage, Mend::Archive, chain});
  }

  /// Nobody can start or remove a container without its record; what it changed is kept.
  void examine_containers() {
    const std::set<std::string> known(references_.containers->begin(),
                                      references_.containers->end());
    for (const auto& [name, record] : survey_.containers) {
      if (record.role != ContainerRole::Container || known.contains(name)) continue;
      const std::string directory = name;
      examination_.found_passing({"container-without-record", frame_.check->records().object(name),
                                  "no container has this layer", Severity::Leftover, Mend::Repair},
                                 [&] {
                                   if (frame_.check->is_mounted(directory))
                                     fail(Errc::Busy, "it is mounted");
                                   frame_.check->set_aside(directory);
                                 });
    }
  }

  void mark(std::optional<ChainId> chain) {
    while (chain && needed_.insert(*chain).second) {
      const auto found = survey_.layers.find(*chain);
      if (found == survey_.layers.end()) return;
      chain = found->second.info.parent;
    }
  }

  std::size_t depth(const ChainId& chain) const {
    std::size_t layers = 0;
    for (std::optional<ChainId> next = chain; next; ++layers) {
      const auto found = survey_.layers.find(*next);
      next = found == survey_.layers.end() ? std::nullopt : found->second.info.parent;
    }
    return layers;
  }

  void mark_needed() {
    for (const StoreReferences::Stack& stack : references_.stacks) {
      in_stacks_.insert(stack.chains.begin(), stack.chains.end());
      for (const ChainId& chain : stack.chains)
        mark(chain);
    }
    for (const auto& [name, record] : survey_.containers)
      mark(record.parent);
  }

  /// Its files may be whole, although nobody can tell which layer they are.
  void examine_unneeded_unsound() {
    std::set<ChainId> parents;
    for (const auto& [chain, record] : survey_.layers) {
      if (record.info.parent) parents.insert(*record.info.parent);
    }
    for (const ChainId& chain : survey_.unsound_layers) {
      if (needed_.contains(chain) || parents.contains(chain)) continue;
      const std::string name = chain.hex();
      examination_.found({"layer-unreferenced", object(chain), "no image and no container needs it",
                          Severity::Leftover, Mend::Repair, chain},
                         [&] { frame_.check->set_aside(name); });
    }
  }

  void examine_unneeded() {
    std::vector<std::pair<std::size_t, ChainId>> unneeded;
    for (const auto& [chain, record] : survey_.layers) {
      if (!needed_.contains(chain)) unneeded.emplace_back(depth(chain), chain);
    }
    // Children first: whoever is killed in the middle leaves whole layers.
    std::sort(unneeded.rbegin(), unneeded.rend());
    for (const auto& [layers_below, chain] : unneeded) {
      const std::string name = chain.hex();
      examination_.found({"layer-unreferenced", object(chain), "no image and no container needs it",
                          Severity::Leftover, Mend::Repair, chain},
                         [&] { frame_.discard(name); });
    }
  }

  Examination& examination_;
  const StoreFrame& frame_;
  const Survey& survey_;
  const StoreReferences& references_;
  std::set<ChainId> missing_;
  std::set<ChainId> needed_;
  std::set<ChainId> in_stacks_;
};

}  // namespace

void examine_references(Examination& examination,
                        const StoreFrame& frame,
                        const Survey& survey,
                        const StoreReferences& references) {
  ReferencesCheck(examination, frame, survey, references).run();
}

}  // namespace layerkit
