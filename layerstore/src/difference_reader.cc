#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "diff_object.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "layerkit/layerstore/same_contents.h"
#include "layerkit/layerstore/tree_reader.h"
#include "tree_links.h"

namespace layerkit {
namespace {

/// One name of a directory on both sides.
struct Pair {
  std::string name;
  bool before = false;
  bool after = false;
};

/// A directory on the way to the current object.
struct Level {
  RelPath path;
  bool before = false;             ///< it is a directory there, too
  std::optional<Entry> held_back;  ///< its own entry, until something in it is emitted
  std::vector<Pair> names;
  std::size_t next_removed = 0;
  std::size_t next_name = 0;
};

using FileKey = std::pair<const LayerTree*, std::uint64_t>;

FileKey key_of(const FileIdentity& file) {
  return {file.layer, file.number};
}

/// Two trees, walked side by side.
class Trees {
 public:
  Trees(std::shared_ptr<const LayerTree> before, std::shared_ptr<const LayerTree> after)
      : before_(std::move(before)), after_(std::move(after)) {}

  const LayerTree& before() const noexcept { return *before_; }
  const LayerTree& after() const noexcept { return *after_; }

  std::vector<Pair> names(const RelPath& directory, bool is_in_before) const;
  /// Whether a file that is no directory, and stands on both sides, is the same. `new_file`: which
  /// one it is in `after`.
  bool is_same_file(const Entry& before,
                    const Entry& after,
                    const std::optional<FileIdentity>& new_file) const;

 private:
  std::shared_ptr<const LayerTree> before_;
  std::shared_ptr<const LayerTree> after_;
};

std::vector<Pair> Trees::names(const RelPath& directory, bool is_in_before) const {
  std::vector<std::string> old;
  if (is_in_before) old = before_->list(directory);
  std::vector<Pair> result;
  auto left = old.begin();
  for (std::string& name : after_->list(directory)) {
    for (; left != old.end() && *left < name; ++left)
      result.push_back({std::move(*left), true, false});
    const bool both = left != old.end() && *left == name;
    if (both) ++left;
    result.push_back({std::move(name), both, true});
  }
  for (; left != old.end(); ++left)
    result.push_back({std::move(*left), true, false});
  return result;
}

bool Trees::is_same_file(const Entry& before,
                         const Entry& after,
                         const std::optional<FileIdentity>& new_file) const {
  const auto old_file = before_->identity(before.path);
  if (old_file && new_file && old_file->is_same_file(*new_file)) return true;
  // Of one with several names it would have to be known that all of them are the same.
  if (old_file || new_file || before != after) return false;
  if (after.type != FileType::Regular) return true;
  return same_contents(*before_->open(before.path), *after_->open(after.path));
}

class DifferenceReader final : public LayerReader {
 public:
  DifferenceReader(std::shared_ptr<const LayerTree> before,
                   std::shared_ptr<const LayerTree> after,
                   const Context& context,
                   KnownSame known_same)
      : trees_(std::move(before), std::move(after)),
        context_(context),
        known_same_(std::move(known_same)) {
    find_changed_links(RelPath(), true);
  }

  std::optional<Entry> next() override;
  ByteSource& contents() override;

 private:
  void find_changed_links(const RelPath& directory, bool is_in_before);
  std::optional<Entry> produce();
  std::optional<Entry> next_removed(Level& level);
  std::optional<Entry> next_object(Level& level);
  std::optional<Entry> enter(Entry entry, const std::optional<Entry>& before);
  bool is_unchanged(const Entry& before,
                    const Entry& after,
                    const std::optional<FileIdentity>& file) const;
  bool is_known_same(const Pair& pair, const RelPath& path) const {
    return pair.before && pair.after && known_same_ && known_same_(path);
  }

  Trees trees_;
  Context context_;
  KnownSame known_same_;
  /// Files of `after` with several names of which at least one is not as it was.
  std::set<FileKey> changed_links_;
  std::vector<Level> levels_;
  TreeLinks links_;
  std::optional<Entry> waiting_;  ///< until the directories that were held back have been emitted
  std::optional<RelPath> current_;
  std::unique_ptr<ByteSource> source_;
  MemorySource nothing_{""};
  bool started_ = false;
};

void DifferenceReader::find_changed_links(const RelPath& directory, bool is_in_before) {
  context_.check_interrupted();
  for (const Pair& pair : trees_.names(directory, is_in_before)) {
    if (!pair.after) continue;
    const RelPath path = directory / pair.name;
    if (is_known_same(pair, path)) continue;
    const auto after = trees_.after().lookup(path);
    if (!after) continue;
    const auto old_entry = [&] {
      return pair.before ? trees_.before().lookup(path) : std::nullopt;
    };
    if (after->is_directory()) {
      const auto before = old_entry();
      find_changed_links(path, before && before->is_directory());
      continue;
    }
    const auto file = trees_.after().identity(path);
    if (!file) continue;
    const auto before = old_entry();
    const bool comparable = before && !before->is_directory();
    const auto old = comparable ? trees_.before().identity(path) : std::nullopt;
    if (!old || !old->is_same_file(*file)) changed_links_.insert(key_of(*file));
  }
}

std::optional<Entry> DifferenceReader::next() {
  source_.reset();
  current_.reset();
  if (!waiting_) waiting_ = produce();
  if (!waiting_) return std::nullopt;
  for (Level& level : levels_) {
    if (level.held_back) return std::exchange(level.held_back, std::nullopt);
  }
  if (waiting_->type == FileType::Regular && !waiting_->is_whiteout() &&
      !waiting_->hard_link_target) {
    current_ = waiting_->path;
  }
  return std::exchange(waiting_, std::nullopt);
}

std::optional<Entry> DifferenceReader::produce() {
  if (!started_) {
    started_ = true;
    const auto after = trees_.after().lookup(RelPath());
    const auto before = trees_.before().lookup(RelPath());
    auto root = enter(*after, before);
    levels_.back().held_back.reset();
    if (root) return root;
  }
  while (!levels_.empty()) {
    context_.check_interrupted();
    Level& level = levels_.back();
    if (auto removed = next_removed(level)) return removed;
    if (level.next_name == level.names.size()) {
      levels_.pop_back();
      continue;
    }
    if (auto entry = next_object(level)) return entry;
  }
  return std::nullopt;
}

std::optional<Entry> DifferenceReader::next_removed(Level& level) {
  while (level.next_removed < level.names.size()) {
    const Pair& pair = level.names[level.next_removed++];
    if (!pair.after) return whiteout_of(level.path / pair.name);
  }
  return std::nullopt;
}

std::optional<Entry> DifferenceReader::next_object(Level& level) {
  const Pair& pair = level.names[level.next_name++];
  if (!pair.after) return std::nullopt;
  const RelPath path = level.path / pair.name;
  if (is_known_same(pair, path)) return std::nullopt;
  auto after = trees_.after().lookup(path);
  if (!after) fail(Errc::NotFound, "reading {}: it went away", quoted(path.absolute()));
  const auto before = pair.before ? trees_.before().lookup(path) : std::nullopt;
  if (after->is_directory()) return enter(std::move(*after), before);
  if (after->type == FileType::Socket) {
    context_.warn(fmt::format("leaving out {}: a layer cannot hold a socket", quoted(path.str())));
    return std::nullopt;
  }
  const auto file = trees_.after().identity(path);
  if (before && is_unchanged(*before, *after, file)) return std::nullopt;
  links_.resolve(*after, file);
  return after;
}

/// The directory's own entry when it is not as before; else it is held back.
std::optional<Entry> DifferenceReader::enter(Entry entry, const std::optional<Entry>& before) {
  Level level;
  level.path = entry.path;
  level.before = before && before->is_directory();
  level.names = trees_.names(entry.path, level.before);
  const bool unchanged = before && *before == entry;
  if (unchanged) level.held_back = entry;
  levels_.push_back(std::move(level));
  if (unchanged) return std::nullopt;
  return entry;
}

bool DifferenceReader::is_unchanged(const Entry& before,
                                    const Entry& after,
                                    const std::optional<FileIdentity>& file) const {
  if (before.is_directory()) return false;
  if (file && changed_links_.contains(key_of(*file))) return false;
  return trees_.is_same_file(before, after, file);
}

ByteSource& DifferenceReader::contents() {
  if (!current_) return nothing_;
  if (!source_) source_ = trees_.after().open(*current_);
  return *source_;
}

}  // namespace

std::unique_ptr<LayerReader> make_difference_reader(std::shared_ptr<const LayerTree> before,
                                                    std::shared_ptr<const LayerTree> after,
                                                    const Context& context,
                                                    KnownSame known_same) {
  return std::make_unique<DifferenceReader>(std::move(before), std::move(after), context,
                                            std::move(known_same));
}

}  // namespace layerkit
