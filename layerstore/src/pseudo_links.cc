#include "pseudo_links.h"

#include <algorithm>
#include <utility>

#include "diff_object.h"
#include "diff_walk.h"
#include "layerkit/base/error.h"
#include "layerkit/base/root_dir.h"
#include "layerkit/base/text.h"
#include "layerkit/layerstore/same_contents.h"

namespace layerkit {
namespace {

/// By the number of the file below.
using LinksByNumber = std::map<std::uint64_t, PseudoLink>;

/// Those whose copy is still the one that they were made for.
LinksByNumber read_links(int dir_fd) {
  LinksByNumber links;
  for (const DirEntry& entry : list_dir(dir_fd)) {
    const auto numbers = split(entry.name, '.');
    const auto number = parse_decimal(numbers.front());
    const auto stat = stat_at(dir_fd, entry.name);
    if (!number || !stat || stat->type == FileType::Directory) continue;
    if (entry.name == fmt::format("{}.{}", *number, stat->ino))
      links[*number] = {entry.name, stat->ino, {}};
  }
  return links;
}

/// Looks for the other names in the layers.
class LinkSearch {
 public:
  LinkSearch(const PseudoLinkSources& sources, LinksByNumber& links)
      : sources_(sources),
        links_(links),
        upper_(make_diff_tree(open_dir_at(sources.upper.get(), "."), sources.format)),
        device_(stat_fd(sources.upper.get()).dev) {}

  void run() {
    for (std::size_t i = 0; i < sources_.layers.size(); ++i)
      look_in(i);
  }

 private:
  void look_in(std::size_t layer) {
    DiffWalk walk(open_dir_at(sources_.layers[layer].diff.get(), "."), sources_.scratch_dir);
    do {
      for_each_in_dir(walk.fd(), [&](std::string_view name) {
        if (!is_reserved_name(name, sources_.format)) look_at(walk, name, layer);
        return true;
      });
    } while (walk.next());
  }

  void look_at(DiffWalk& walk, std::string_view name, std::size_t layer) {
    const auto stat = stat_at(walk.fd(), std::string(name));
    if (!stat) return;
    if (stat->type == FileType::Directory) return walk.visit_later(name, 0);
    if (stat->nlink < 2 || stat->dev != device_) return;
    const auto link = links_.find(stat->ino);
    if (link == links_.end()) return;
    RelPath path = walk.dir().path / name;
    if (is_seen(path, layer)) link->second.paths.push_back(std::move(path));
  }

  /// Whether nothing above the layer has or hides the name.
  bool is_seen(const RelPath& path, std::size_t layer) const {
    const auto lets_through = [&](const LayerTree& tree) {
      return !tree.hides_lower(path) && !tree.lookup(path);
    };
    if (!lets_through(*upper_)) return false;
    for (std::size_t above = 0; above < layer; ++above)
      if (!lets_through(*sources_.layers[above].tree)) return false;
    return true;
  }

  const PseudoLinkSources& sources_;
  LinksByNumber& links_;
  std::shared_ptr<const LayerTree> upper_;
  std::uint64_t device_;
};

class LinkedReader final : public LayerReader {
 public:
  LinkedReader(std::unique_ptr<LayerReader> changes,
               std::vector<PseudoLink> links,
               PseudoLinkSources sources,
               std::shared_ptr<const LayerTree> lower)
      : changes_(std::move(changes)),
        links_(std::move(links)),
        links_dir_(std::move(sources.links)),
        upper_(std::move(sources.upper)),
        format_(sources.format),
        lower_(std::move(lower)) {}

  std::optional<Entry> next() override {
    source_.reset();
    if (changes_) {
      if (auto entry = changes_->next()) {
        note(*entry);
        return entry;
      }
      changes_.reset();
    }
    for (; next_link_ < links_.size(); ++next_link_, next_path_ = 0) {
      const PseudoLink& link = links_[next_link_];
      while (next_path_ < link.paths.size()) {
        if (auto entry = linked(link, link.paths[next_path_++])) return entry;
      }
    }
    return std::nullopt;
  }

  ByteSource& contents() override {
    if (changes_) return changes_->contents();
    return source_ ? *source_ : nothing_;
  }

 private:
  /// Remembers the first name of each copy.
  void note(const Entry& entry) {
    if (entry.hides != Hides::Nothing || entry.is_directory() || entry.hard_link_target) return;
    const auto stat = upper_.stat(entry.path, Follow::No);
    if (stat && stat->nlink > 1) first_names_.emplace(stat->ino, entry.path);
  }

  /// nullopt for a name that looks as it did.
  std::optional<Entry> linked(const PseudoLink& link, const RelPath& path) {
    auto object = read_diff_object(links_dir_.get(), link.name, path, format_);
    if (!object) fail(Errc::NotFound, "reading {}: it went away", quoted(path.absolute()));
    Entry entry = std::move(object->entry);
    const bool has_contents = entry.type == FileType::Regular;
    const auto open_copy = [&] { return open_contents(links_dir_.get(), link.name, path); };
    const auto before = lower_->lookup(path);
    if (before && *before == entry &&
        (!has_contents || same_contents(*open_copy(), *lower_->open(path))))
      return std::nullopt;
    const auto [first, is_first] = first_names_.emplace(link.ino, path);
    if (!is_first)
      entry.hard_link_target = first->second;
    else if (has_contents)
      source_ = open_copy();
    return entry;
  }

  std::unique_ptr<LayerReader> changes_;
  std::vector<PseudoLink> links_;
  Fd links_dir_;
  RootDir upper_;
  DiffFormat format_;
  std::shared_ptr<const LayerTree> lower_;
  std::map<std::uint64_t, RelPath> first_names_;
  std::size_t next_link_ = 0;
  std::size_t next_path_ = 0;
  std::unique_ptr<ByteSource> source_;
  MemorySource nothing_{""};
};

}  // namespace

std::vector<PseudoLink> find_pseudo_links(const PseudoLinkSources& sources) {
  LinksByNumber links = read_links(sources.links.get());
  std::vector<PseudoLink> found;
  if (links.empty()) return found;
  LinkSearch(sources, links).run();
  for (auto& [number, link] : links) {
    if (link.paths.empty()) continue;
    std::sort(link.paths.begin(), link.paths.end());
    found.push_back(std::move(link));
  }
  return found;
}

std::unique_ptr<LayerReader> add_pseudo_links(std::unique_ptr<LayerReader> changes,
                                              std::vector<PseudoLink> found,
                                              PseudoLinkSources sources,
                                              std::shared_ptr<const LayerTree> lower) {
  return std::make_unique<LinkedReader>(std::move(changes), std::move(found), std::move(sources),
                                        std::move(lower));
}

}  // namespace layerkit
