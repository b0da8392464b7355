#include "merged_tree.h"

#include <algorithm>
#include <iterator>
#include <numeric>
#include <utility>

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/layer_history.h"
#include "layerkit/imagetool/tree_changes.h"

namespace layerkit {
namespace {

/// Which layer gives what the tree has at `path`; nullopt for a root that none names.
std::optional<std::size_t> layer_with(const MergeSide& side, const RelPath& path) {
  for (std::size_t i = side.layers.size(); i-- > 0;) {
    if (side.layers[i]->lookup(path)) return i;
  }
  return std::nullopt;
}

}  // namespace

bool MergeSide::has_same_object(const MergeSide& other, const RelPath& path) const {
  if (std::min(shared, other.shared) == 0) return false;
  const auto layer = layer_with(*this, path);
  return layer && *layer < std::min(shared, other.shared) && layer == layer_with(other, path);
}

std::vector<std::string> object_differences(const MergeSide& one,
                                            const Entry& first,
                                            const MergeSide& other,
                                            const Entry& second,
                                            const Context& context) {
  std::vector<std::string> differences = entry_changes(first, second);
  if (first.is_directory()) std::erase(differences, "mtime");
  const bool may_differ = first.type == FileType::Regular && second.type == FileType::Regular &&
                          first.size == second.size && first.size > 0;
  if (may_differ && !one.has_same_object(other, first.path) &&
      !have_same_contents(*one.tree, first.path, *other.tree, second.path, context)) {
    differences.emplace_back("contents");
  }
  return differences;
}

const MergeCandidate& chosen_of(const std::vector<MergeCandidate>& candidates,
                                Precedence precedence) {
  return precedence == Precedence::First ? candidates.front() : candidates.back();
}

std::vector<MergeCandidate> merged_below(std::vector<MergeCandidate> candidates,
                                         Precedence precedence) {
  if (candidates.empty() || !chosen_of(candidates, precedence).entry.is_directory()) return {};
  std::erase_if(candidates, [](const MergeCandidate& at) { return !at.entry.is_directory(); });
  return candidates;
}

void UnitedFiles::unite(const FileIdentity& one, const FileIdentity& other) {
  const Key above = root_of({one.layer, one.number});
  const Key below = root_of({other.layer, other.number});
  above_.emplace(above, above);
  above_.insert_or_assign(below, above);
}

UnitedFiles::Key UnitedFiles::root_of(Key file) {
  Key root = file;
  for (auto next = above_.find(root); next != above_.end() && next->second != root;
       next = above_.find(root)) {
    root = next->second;
  }
  // Whoever was passed gets there in one step from now on.
  while (file != root)
    file = std::exchange(above_.at(file), root);
  return root;
}

void UnitedFiles::settle() {
  for (auto& [file, above] : above_)
    root_of(file);
}

FileIdentity UnitedFiles::find(const FileIdentity& file) const {
  const auto found = above_.find({file.layer, file.number});
  if (found == above_.end()) return file;
  // How many names it has is not known: none of them may be taken for the last.
  return {found->second.first, found->second.second, UINT64_MAX};
}

std::optional<Entry> MergedTree::lookup(const RelPath& path) const {
  const auto found = candidates(path);
  if (found->empty()) return std::nullopt;
  return chosen_of(*found, precedence_).entry;
}

std::vector<std::string> MergedTree::list(const RelPath& path) const {
  const std::vector<std::size_t> sides = sides_with(path);
  if (sides.empty()) fail(Errc::NotFound, "listing {}: it is not a directory", quoted(path.str()));
  std::vector<std::string> names;
  for (const std::size_t side : sides) {
    const std::vector<std::string> more = sides_[side].tree->list(path);
    std::vector<std::string> both;
    std::ranges::set_union(names, more, std::back_inserter(both));
    names = std::move(both);
  }
  return names;
}

std::unique_ptr<ByteSource> MergedTree::open(const RelPath& path) const {
  const auto found = candidates(path);
  if (found->empty()) fail(Errc::NotFound, "reading {}: no such file", quoted(path.absolute()));
  return sides_[chosen_of(*found, precedence_).side].tree->open(path);
}

std::optional<FileIdentity> MergedTree::identity(const RelPath& path) const {
  const auto found = candidates(path);
  if (found->empty()) return std::nullopt;
  const MergeCandidate& chosen = chosen_of(*found, precedence_);
  if (chosen.entry.is_directory()) return std::nullopt;
  const MergeSide& side = sides_[chosen.side];
  if (const auto file = side.tree->identity(path)) return files_.find(*file);
  for (const MergeCandidate& candidate : *found) {
    if (candidate.side == chosen.side || candidate.entry.is_directory()) continue;
    const MergeSide& other = sides_[candidate.side];
    const auto file = other.tree->identity(path);
    if (!file) continue;
    if (object_differences(side, chosen.entry, other, candidate.entry, context_).empty()) {
      return files_.find(*file);
    }
  }
  return std::nullopt;
}

bool MergedTree::is_of_first(const RelPath& path) const {
  const auto found = candidates(path);
  if (found->empty() || found->front().side != 0) return false;
  const MergeCandidate& chosen = chosen_of(*found, precedence_);
  if (chosen.entry.is_directory()) return false;
  const bool is_known = chosen.side == 0 || sides_[0].has_same_object(sides_[chosen.side], path);
  return is_known && !identity(path);
}

/// In ascending order; empty where the merged tree has no directory.
std::vector<std::size_t> MergedTree::sides_with(const RelPath& directory) const {
  {
    const std::lock_guard lock(mutex_);
    if (go_to(directory)) return known_.back().second;
  }
  std::vector<std::size_t> sides;
  if (directory.is_root()) {
    sides.resize(sides_.size());
    std::iota(sides.begin(), sides.end(), std::size_t{0});
  } else {
    for (const MergeCandidate& candidate : merged_below(*candidates(directory), precedence_))
      sides.push_back(candidate.side);
  }
  const std::lock_guard lock(mutex_);
  if (!go_to(directory)) known_.emplace_back(directory, sides);
  return sides;
}

/// Forgets what is neither the directory nor above it; whether it is known itself. REQUIRES: the
/// lock.
bool MergedTree::go_to(const RelPath& directory) const {
  while (!known_.empty() && !known_.back().first.contains(directory))
    known_.pop_back();
  return !known_.empty() && known_.back().first == directory;
}

/// Whoever looks something up often asks at once what else is known of it.
std::shared_ptr<const std::vector<MergeCandidate>> MergedTree::candidates(
    const RelPath& path) const {
  {
    const std::lock_guard lock(mutex_);
    if (known_path_ == path) return known_candidates_;
  }
  auto found = std::make_shared<std::vector<MergeCandidate>>();
  for (const std::size_t side : sides_with(path.is_root() ? path : path.parent())) {
    if (auto entry = sides_[side].tree->lookup(path)) found->push_back({side, std::move(*entry)});
  }
  const std::lock_guard lock(mutex_);
  known_path_ = path;
  known_candidates_ = found;
  return found;
}

}  // namespace layerkit
