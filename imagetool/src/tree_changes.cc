#include "layerkit/imagetool/tree_changes.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "layerkit/base/interruptible_source.h"
#include "layerkit/imagetool/compared_tree.h"
#include "layerkit/imagetool/layer_history.h"
#include "layerkit/layerstore/same_contents.h"

namespace layerkit {
namespace {

bool is_file(const Entry& entry) {
  return !entry.is_whiteout() && entry.type == FileType::Regular;
}

/// Two trees, walked side by side.
class Comparison {
 public:
  Comparison(const LayerTree& before,
             const LayerTree& after,
             const std::function<void(const TreeChange& change)>& report,
             const Context& context,
             FileContents contents)
      : before_(before), after_(after), report_(report), context_(context), contents_(contents) {}

  void compare_directory(const RelPath& path, bool was_directory);
  void compare_path(std::optional<Entry> before, std::optional<Entry> after);

 private:
  std::vector<std::string> changes_of(const Entry& before, const Entry& after) const;

  const LayerTree& before_;
  const LayerTree& after_;
  const std::function<void(const TreeChange& change)>& report_;
  const Context& context_;
  FileContents contents_;
};

void Comparison::compare_directory(const RelPath& path, bool was_directory) {
  context_.check_interrupted();
  const std::vector<std::string> old =
      was_directory ? before_.list(path) : std::vector<std::string>();
  const std::vector<std::string> now = after_.list(path);
  std::vector<std::string> names;
  std::ranges::set_union(old, now, std::back_inserter(names));
  for (const std::string& name : names) {
    const RelPath child = path / name;
    const bool was_there = was_directory && std::ranges::binary_search(old, name);
    const bool is_there = std::ranges::binary_search(now, name);
    compare_path(was_there ? before_.lookup(child) : std::nullopt,
                 is_there ? after_.lookup(child) : std::nullopt);
  }
}

void Comparison::compare_path(std::optional<Entry> before, std::optional<Entry> after) {
  if (!before && !after) return;
  TreeChange change;
  change.path = after ? after->path : before->path;
  change.kind = !before ? ChangeKind::Added : !after ? ChangeKind::Deleted : ChangeKind::Modified;
  if (before && after) change.changes = changes_of(*before, *after);
  const bool differs = change.kind != ChangeKind::Modified || !change.changes.empty();
  const bool was_directory = before && before->is_directory();
  const bool is_directory = after && after->is_directory();
  change.before = std::move(before);
  change.after = std::move(after);
  if (differs) report_(change);
  if (is_directory) compare_directory(change.path, was_directory);
}

std::vector<std::string> Comparison::changes_of(const Entry& before, const Entry& after) const {
  std::vector<std::string> changes = entry_changes(before, after);
  if (after.is_directory()) std::erase(changes, "mtime");
  const bool may_differ = contents_ == FileContents::Compare && is_file(before) && is_file(after) &&
                          before.size == after.size && before.size > 0;
  if (may_differ && !have_same_contents(before_, before.path, after_, after.path, context_)) {
    changes.emplace_back("contents");
  }
  return changes;
}

}  // namespace

bool have_same_contents(const LayerTree& one,
                        const RelPath& path,
                        const LayerTree& other,
                        const RelPath& other_path,
                        const Context& context) {
  const auto first = one.open(path);
  const auto second = other.open(other_path);
  if (is_same_origin(*first, *second)) return true;
  InterruptibleSource bytes(*first, context);
  return same_contents(bytes, *second);
}

void compare_trees(const LayerTree& before,
                   const LayerTree& after,
                   const std::function<void(const TreeChange& change)>& report,
                   const Context& context,
                   FileContents contents) {
  Comparison(before, after, report, context, contents)
      .compare_path(before.lookup(RelPath()), after.lookup(RelPath()));
}

}  // namespace layerkit
