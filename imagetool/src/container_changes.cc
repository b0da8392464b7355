#include "layerkit/imagetool/container_changes.h"

#include <algorithm>
#include <array>
#include <map>
#include <string_view>

#include "layerkit/layerstore/layer_tree.h"

namespace layerkit {
namespace {

/// Some producers keep whole seconds only; then only these can be compared. Docker's rule.
bool same_time(const Timestamp& a, const Timestamp& b) {
  if (a.seconds != b.seconds) return false;
  return a.nanoseconds == b.nanoseconds || a.nanoseconds == 0 || b.nanoseconds == 0;
}

bool differs(const Entry& before, const Entry& after) {
  if (before.type != after.type || before.mode != after.mode || before.uid != after.uid ||
      before.gid != after.gid || before.xattrs != after.xattrs) {
    return true;
  }
  if (before.type == FileType::Directory) return false;
  return !same_time(before.mtime, after.mtime) ||
         (!after.hard_link_target && before.size != after.size) ||
         before.symlink_target != after.symlink_target ||
         before.device_major != after.device_major || before.device_minor != after.device_minor;
}

using Changes = std::map<RelPath, ChangeKind>;

/// A directory that was replaced: until something of the same name turns up again, all that the
/// image has in it is gone.
void delete_children(Changes& changes, const RelPath& directory, const LayerTree& image) {
  const auto before = image.lookup(directory);
  if (!before || !before->is_directory()) return;
  for (const auto& name : image.list(directory)) {
    changes.emplace(directory / name, ChangeKind::Deleted);
  }
}

void add_change(Changes& changes, const Entry& entry, const LayerTree& image) {
  if (entry.is_whiteout()) {
    changes[entry.path] = ChangeKind::Deleted;
    return;
  }
  if (entry.hides == Hides::Below) {
    delete_children(changes, entry.path, image);
    return;
  }
  const auto before = image.lookup(entry.path);
  if (before && !differs(*before, entry)) {
    changes.erase(entry.path);
  } else {
    changes[entry.path] = before ? ChangeKind::Modified : ChangeKind::Added;
  }
}

void add_parents(Changes& changes) {
  std::vector<RelPath> parents;
  for (const auto& [path, kind] : changes) {
    for (RelPath parent = path; !parent.is_root();) {
      parent = parent.parent();
      parents.push_back(parent);
    }
  }
  for (const auto& parent : parents)
    changes.emplace(parent, ChangeKind::Modified);
}

bool is_runtime_path(const RelPath& path) {
  static const std::array<RelPath, 3> kKernelTrees = {RelPath::parse("dev"), RelPath::parse("proc"),
                                                      RelPath::parse("sys")};
  if (path == RelPath::parse(".dockerenv")) return true;
  return std::any_of(kKernelTrees.begin(), kKernelTrees.end(),
                     [&](const RelPath& tree) { return path != tree && tree.contains(path); });
}

class CommittableReader final : public LayerReader {
 public:
  explicit CommittableReader(std::unique_ptr<LayerReader> inner) : inner_(std::move(inner)) {}

  std::optional<Entry> next() override {
    for (;;) {
      auto entry = inner_->next();
      if (!entry || !is_runtime_path(entry->path)) return entry;
    }
  }
  ByteSource& contents() override { return inner_->contents(); }

 private:
  std::unique_ptr<LayerReader> inner_;
};

}  // namespace

char change_letter(ChangeKind kind) noexcept {
  switch (kind) {
    case ChangeKind::Modified:
      return 'C';
    case ChangeKind::Added:
      return 'A';
    case ChangeKind::Deleted:
      break;
  }
  return 'D';
}

std::vector<PathChange> summarize_changes(LayerReader& changes, const LayerTree& image) {
  Changes found;
  while (const auto entry = changes.next())
    add_change(found, *entry, image);
  add_parents(found);
  found.erase(RelPath());  // docker does not list the root
  std::vector<PathChange> result;
  result.reserve(found.size());
  for (const auto& [path, kind] : found)
    result.push_back({path, kind});
  return result;
}

std::unique_ptr<LayerReader> committable_changes(const Store& layers,
                                                 const std::string& container,
                                                 const Context& context,
                                                 const DiffReaderOptions& options) {
  return std::make_unique<CommittableReader>(layers.container_diff(container, context, options));
}

}  // namespace layerkit
