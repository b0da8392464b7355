#include "diff_resolver.h"

#include <algorithm>

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"

namespace layerkit {
namespace {

/// As many as the kernel follows in one path (path_resolution(7)).
constexpr std::size_t kMaxLinks = 40;

void push_components(std::vector<std::string>& left, std::string_view path) {
  const std::vector<std::string_view> names = split(path, '/');
  for (auto name = names.rbegin(); name != names.rend(); ++name) {
    if (!name->empty() && *name != ".") left.emplace_back(*name);
  }
}

}  // namespace

DraftDir* DiffResolver::find(const RelPath& path) {
  return walk(path, Missing::Stop);
}

DraftDir& DiffResolver::claim(const RelPath& path) {
  DraftDir* dir = walk(path, Missing::Add);
  if (dir->claim == Claim::None) {
    draft_.claim(*dir);
    forget();
  }
  return *dir;
}

void DiffResolver::on_change(const DraftDir& dir, std::string_view name) {
  const bool was_followed =
      std::any_of(last_.followed.begin(), last_.followed.end(),
                  [&](const Link& link) { return link.first == &dir && link.second == name; });
  if (was_followed) forget();
}

DraftDir* DiffResolver::walk(const RelPath& path, Missing missing) {
  Walk walk{&draft_.root(), {}, {}, missing};
  std::string_view rest = path.str();
  if (last_.dir != nullptr && last_.path.contains(path)) {
    if (last_.path == path) return last_.dir;
    walk.at = last_.dir;
    walk.followed = last_.followed;
    rest.remove_prefix(last_.path.str().size());
  }
  push_components(walk.left, rest);
  while (!walk.left.empty()) {
    const std::string name = std::move(walk.left.back());
    walk.left.pop_back();
    if (step(walk, name) == Step::Stopped) return nullptr;
  }
  last_ = {path, walk.at, std::move(walk.followed)};
  return walk.at;
}

DiffResolver::Step DiffResolver::step(Walk& walk, const std::string& name) {
  if (name == "..") {
    // ".." of the root is the root, as after chroot(2).
    if (!walk.at->is_root()) walk.at = walk.at->parent;
    return Step::Entered;
  }
  DraftDir* child = walk.at->child(name);
  if (child != nullptr && child->exists()) {
    walk.at = child;
    return Step::Entered;
  }
  if (const auto file = draft_.file_at(*walk.at, name)) return step_over_file(walk, name, *file);
  return step_below(walk, name);
}

DiffResolver::Step DiffResolver::step_over_file(Walk& walk,
                                                const std::string& name,
                                                FileType type) {
  if (type == FileType::Symlink) {
    return follow(walk, name, draft_.files().link_target(*walk.at, name));
  }
  if (walk.missing == Missing::Stop) return Step::Stopped;
  if (!walk.at->is(name, NameState::CopiedUp)) {
    fail(Errc::Invalid, "resolving a parent: {} is a file of the same layer, not a directory",
         quoted(path_of(*walk.at, name).str()));
  }
  draft_.remove_file(*walk.at, name);
  return add(walk, name);
}

DiffResolver::Step DiffResolver::step_below(Walk& walk, const std::string& name) {
  if (walk.at->is(name, NameState::WhitedOut)) return add(walk, name);
  const auto lower = draft_.lower_at(*walk.at, name);
  if (!lower) return add(walk, name);
  if (lower->type == FileType::Symlink) return follow(walk, name, lower->symlink_target);
  if (!lower->is_directory()) return add(walk, name);
  walk.at = &draft_.add_child(*walk.at, name);
  walk.at->below = Below::Merged;
  return Step::Entered;
}

DiffResolver::Step DiffResolver::follow(Walk& walk,
                                        const std::string& name,
                                        std::string_view target) {
  if (walk.followed.size() >= kMaxLinks) {
    if (walk.missing == Missing::Stop) return Step::Stopped;  // a loop leads nowhere
    fail(Errc::Invalid, "resolving a parent: too many symlinks at {}",
         quoted(path_of(*walk.at, name).str()));
  }
  walk.followed.emplace_back(walk.at, name);
  push_components(walk.left, target);
  if (target.starts_with('/')) walk.at = &draft_.root();
  return Step::Followed;
}

DiffResolver::Step DiffResolver::add(Walk& walk, const std::string& name) {
  if (walk.missing == Missing::Stop) return Step::Stopped;
  walk.at = &draft_.add_child(*walk.at, name);
  walk.at->below = Below::None;
  return Step::Entered;
}

}  // namespace layerkit
