#include "diff_draft.h"

#include <utility>
#include <vector>

#include "diff_object.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"

namespace layerkit {
namespace {

/// PATH_MAX without NUL: what the kernel takes in one call, and what a mount could be asked for.
constexpr std::size_t kMaxPathBytes = 4095;
/// As many components as fit into that; bounds every recursion over the draft.
constexpr unsigned kMaxDepth = (kMaxPathBytes + 1) / 2;

}  // namespace

RelPath path_of(const DraftDir& dir) {
  std::vector<std::string_view> names;
  for (const DraftDir* at = &dir; !at->is_root(); at = at->parent)
    names.push_back(at->name);
  std::string text;
  for (auto name = names.rbegin(); name != names.rend(); ++name)
    text.append(*name) += '/';
  if (text.size() > kMaxPathBytes + 1) {
    fail(Errc::Limit, "reaching directory {}: its path is longer than {} bytes",
         quoted(text.substr(0, 100) + "..."), kMaxPathBytes);
  }
  return RelPath::parse(text);
}

DiffDraft::DiffDraft(DraftArena& arena,
                     DraftFiles& files,
                     std::shared_ptr<const LayerTree> lower,
                     DiffFormat format,
                     std::uint64_t max_directories)
    : arena_(arena),
      files_(files),
      lower_(std::move(lower)),
      format_(format),
      max_directories_(max_directories),
      root_(*std::pmr::polymorphic_allocator<>(&arena_).new_object<DraftDir>(&arena_)) {
  root_.made = true;
  root_.claim = Claim::Parent;
  root_.below = lower_ ? Below::Merged : Below::None;
}

DraftDir& DiffDraft::add_child(DraftDir& dir, std::string_view name) {
  if (dir.depth >= kMaxDepth) {
    fail(Errc::Limit, "reaching directory {}: it is more than {} directories deep", quoted(name),
         kMaxDepth);
  }
  if (is_reserved_name(name, format_)) {
    fail(Errc::Invalid, "reaching directory {}: AUFS keeps names starting with '.wh.' for itself",
         quoted(name));
  }
  const auto [at, added] = dir.children.try_emplace(std::pmr::string(name, &arena_));
  if (added) {
    if (++directories_ > max_directories_) {
      fail(Errc::Limit, "the layer has more than {} directories (the limit max-entries)",
           max_directories_);
    }
    at->second = std::pmr::polymorphic_allocator<>(&arena_).new_object<DraftDir>(&arena_);
    at->second->parent = &dir;
    at->second->name = at->first;
    at->second->depth = dir.depth + 1;
  }
  return *at->second;
}

Below DiffDraft::below(DraftDir& dir) {
  if (dir.below == Below::Unknown) {
    const bool merged = below(*dir.parent) == Below::Merged;
    const auto found = merged ? lower_->lookup(path_of(dir)) : std::nullopt;
    dir.below = found && found->is_directory() ? Below::Merged : Below::None;
  }
  return dir.below;
}

std::optional<Entry> DiffDraft::lower_at(DraftDir& dir, std::string_view name) {
  if (below(dir) != Below::Merged) return std::nullopt;
  return lower_->lookup(path_of(dir, name));
}

DirAttributes DiffDraft::lower_attributes(const RelPath& path) const {
  auto found = lower_->lookup(path);
  if (!found) fail(Errc::NotFound, "reading {} of the lower layers", quoted(path.absolute()));
  return {found->mode, found->uid, found->gid, found->mtime, std::move(found->xattrs)};
}

void DiffDraft::claim(DraftDir& dir) {
  for (DraftDir* at = &dir; at->claim == Claim::None; at = at->parent) {
    at->claim = Claim::Parent;
    if (at->parent->is(at->name, NameState::WhitedOut)) replace_lower(*at);
  }
}

void DiffDraft::replace_lower(DraftDir& dir) {
  const auto hidden = lower_at(*dir.parent, dir.name);
  dir.opaque = hidden && hidden->is_directory();
  dir.below = Below::None;
  dir.parent->forget(dir.name);
}

void DiffDraft::empty(DraftDir& dir) {
  if (below(dir) != Below::Merged) return;
  dir.below = Below::Emptied;
  dir.opaque = true;
  hide_children(dir);
}

bool DiffDraft::white_out(DraftDir& dir, std::string_view name) {
  if (below(dir) != Below::Merged || dir.is(name, NameState::WhitedOut)) return false;
  DraftDir* own = dir.child(name);
  if (own != nullptr && own->claim != Claim::None) {
    const Below before = below(*own);
    if (before == Below::None) return false;
    own->below = Below::None;
    own->opaque = true;
    if (before == Below::Merged) hide_children(*own);
    return true;
  }
  if (dir.is(name, NameState::CopiedUp)) {
    remove_file(dir, name);
  } else if (own == nullptr && file_at(dir, name)) {
    return false;  // the layer's own file: it hides the lower one already
  }
  if (!lower_at(dir, name)) return false;
  if (own != nullptr) remove_child(dir, name);
  dir.special.emplace(std::pmr::string(name, &arena_), NameState::WhitedOut);
  return true;
}

/// The lower view ends at `dir`: whiteouts below it would show as ghosts, copied-up files and the
/// directories that only carried them are lower content, and nested opaque flags say nothing new.
void DiffDraft::hide_children(DraftDir& dir) {
  for (const auto& [name, state] : dir.special) {
    if (state == NameState::CopiedUp) files_.remove_file(dir, name);
    tidy();
  }
  dir.special.clear();
  for (auto next = dir.children.begin(); next != dir.children.end();) {
    tidy();
    DraftDir& child = *(next++)->second;
    // What shows nothing below was pruned when it became so: each directory is visited once.
    if (child.below != Below::None) {
      const bool merged = child.below != Below::Emptied;
      child.below = Below::None;
      child.opaque = false;
      if (merged) hide_children(child);
    }
    child.opaque = false;
    if (child.claim == Claim::None) {
      if (child.made) files_.remove_dir(child);
      erase_child(dir, child.name);
    }
  }
}

void DiffDraft::remove_child(DraftDir& dir, std::string_view name) {
  DraftDir* child = dir.child(name);
  if (child == nullptr) return;
  if (child->made) files_.remove_dir(*child);
  erase_child(dir, name);
}

void DiffDraft::remove_file(DraftDir& dir, std::string_view name) {
  files_.remove_file(dir, name);
  dir.forget(name);
}

void DiffDraft::erase_child(DraftDir& dir, std::string_view name) {
  const auto child = dir.children.find(name);
  free_dir(child->second);
  dir.children.erase(child);
}

void DiffDraft::free_dir(DraftDir* dir) {
  for (const auto& [name, child] : dir->children)
    free_dir(child);
  tidy();
  std::pmr::polymorphic_allocator<>(&arena_).delete_object(dir);
}

}  // namespace layerkit
