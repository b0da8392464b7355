#include <algorithm>

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "store_checks.h"
#include "store_files_linux.h"

namespace layerkit {
namespace {

std::string layer_object(const ChainId& chain) {
  return fmt::format("{}/{}", store_file::kOverlay, chain.hex());
}

/// What stands in `l` for a directory.
std::string link_target(const std::string& directory) {
  return fmt::format("../{}/{}", directory, store_file::kDiff);
}

class LinksCheck {
 public:
  LinksCheck(Examination& examination, const StoreFrame& frame, const Survey& survey)
      : examination_(examination),
        frame_(frame),
        links_{frame.links->get(), std::string(store_file::kOverlay) + "/" + store_file::kLinks} {
    for (const std::string& directory : survey.directories)
      wanted_.emplace(link_name(directory), directory);
  }

  void run() {
    for (const auto& [name, directory] : wanted_)
      examine_wanted(name, directory);
    for (const DirEntry& entry : list_dir(links_.fd)) {
      if (!wanted_.contains(entry.name)) examine_other(entry.name);
    }
  }

 private:
  void examine_wanted(const std::string& name, const std::string& directory) {
    const auto stat = stat_at(links_.fd, name);
    const bool is_link = stat && stat->type == FileType::Symlink;
    const std::string target = is_link ? read_link_at(links_.fd, name) : "";
    if (target == link_target(directory)) return;
    std::string detail = "it is missing";
    if (stat) detail = "it is not a symlink";
    if (is_link) detail = fmt::format("it leads to {}", quoted(target));
    // That of a container goes a moment after the container.
    examination_.found_passing(
        {"short-link-wrong", links_.object(name),
         fmt::format("{}; it should lead to {}", detail, quoted(link_target(directory))),
         Severity::Damage, Mend::Repair},
        [&] { make_link(name, directory); });
  }

  void make_link(const std::string& name, const std::string& directory) const {
    const auto stat = stat_at(links_.fd, name);
    if (stat && stat->type == FileType::Symlink) unlink_at(links_.fd, name);
    if (stat && stat->type != FileType::Symlink) frame_.ground.set_aside(links_.fd, name);
    make_symlink_at(link_target(directory), links_.fd, name);
    sync_fd(links_.fd, store_file::kLinks);
  }

  void examine_other(const std::string& name) {
    const auto stat = stat_at(links_.fd, name);
    if (!stat) return;
    if (stat->type != FileType::Symlink) {
      examination_.found({"unexpected-name", links_.object(name), "only symlinks belong here",
                          Severity::Leftover, Mend::Repair},
                         [&] { frame_.ground.set_aside(links_.fd, name); });
      return;
    }
    // Links are made before the directories they lead to.
    if (frame_.work_in_progress) return;
    examination_.found_passing(
        {"short-link-dangling", links_.object(name), "it stands for no directory of the store",
         Severity::Leftover, Mend::Repair},
        [&] {
          unlink_at(links_.fd, name);
          sync_fd(links_.fd, store_file::kLinks);
        });
  }

  Examination& examination_;
  const StoreFrame& frame_;
  FrameDir links_;
  std::map<std::string, std::string> wanted_;  ///< link to directory
};

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
  bool has(const ChainId& chain) const {
    return survey_.layers.contains(chain) || survey_.unsound_layers.contains(chain);
  }

  void need(const ChainId& chain, const std::string& user) {
    if (has(chain) || !missing_.insert(chain).second) return;
    // A listing made while a load commits may have a layer and not its parent.
    examination_.found_passing({"layer-missing", layer_object(chain),
                                fmt::format("it is not in the store, but {} needs it", user),
                                Severity::Damage, Mend::Archive, chain});
  }

  /// Nobody can start or remove a container without its record; what it changed is kept.
  void examine_containers() {
    const std::set<std::string> known(references_.containers->begin(),
                                      references_.containers->end());
    const FrameDir overlay{frame_.overlay->get(), store_file::kOverlay};
    for (const auto& [name, record] : survey_.containers) {
      if (record.role != ContainerRole::Container || known.contains(name)) continue;
      const std::string directory = name;
      examination_.found_passing(
          {"container-without-record", overlay.object(name), "no container has this layer",
           Severity::Leftover, Mend::Repair},
          [&] {
            if (is_mount_point_at(open_dir_at(overlay.fd, directory).get(), store_file::kMerged)) {
              fail(Errc::Busy, "it is mounted");
            }
            frame_.ground.set_aside(overlay.fd, directory);
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
      examination_.found(
          {"layer-unreferenced", layer_object(chain), "no image and no container needs it",
           Severity::Leftover, Mend::Repair, chain},
          [&] { frame_.ground.set_aside(frame_.overlay->get(), name); });
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
      examination_.found(
          {"layer-unreferenced", layer_object(chain), "no image and no container needs it",
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

void examine_links(Examination& examination, const StoreFrame& frame, const Survey& survey) {
  if (frame.links) LinksCheck(examination, frame, survey).run();
}

void examine_references(Examination& examination,
                        const StoreFrame& frame,
                        const Survey& survey,
                        const StoreReferences& references) {
  if (frame.overlay) ReferencesCheck(examination, frame, survey, references).run();
}

}  // namespace layerkit
