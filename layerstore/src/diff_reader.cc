#include <fcntl.h>

#include <map>
#include <utility>
#include <vector>

#include "diff_object.h"
#include "layerkit/base/error.h"
#include "layerkit/base/root_dir.h"
#include "layerkit/base/text.h"
#include "layerkit/layerstore/diff_dir.h"

namespace layerkit {
namespace {

Entry opaque_marker(const RelPath& path) {
  Entry marker;
  marker.path = path;
  marker.type = FileType::Directory;
  marker.hides = Hides::Below;
  return marker;
}

/// Depth first, one directory's names in memory per level and one directory open.
class Reader final : public LayerReader {
 public:
  Reader(Fd diff, std::shared_ptr<const LayerTree> lower, const Context& context, DiffFormat format)
      : root_(std::move(diff)), lower_(std::move(lower)), context_(context), format_(format) {}

  std::optional<Entry> next() override;
  ByteSource& contents() override;

 private:
  struct Level {
    RelPath path;
    std::vector<Entry> hidden;       ///< marker and whiteouts, emitted before all else
    std::vector<std::string> names;  ///< sorted
    std::size_t next_hidden = 0;
    std::size_t next_name = 0;
    bool shows_lower = false;  ///< the lower view's children would be seen here
  };
  using InodeKey = std::pair<std::uint64_t, std::uint64_t>;

  std::optional<Entry> start();
  /// Lists a directory: `object` is its own entry, `shows_lower` what its parent's level says.
  void enter(const Entry& object, bool parent_shows_lower);
  void sort_names(Level& level);
  std::optional<Entry> emit(Level& level, const std::string& name);
  bool lower_has(const RelPath& path) const { return lower_ && lower_->lookup(path).has_value(); }
  bool lower_has_directory(const RelPath& path) const;
  /// Turns the second and later names of a file into hard links to the first.
  void link_if_seen(DiffObject& object);
  int dir_fd(const RelPath& path);

  RootDir root_;
  std::shared_ptr<const LayerTree> lower_;
  Context context_;
  DiffFormat format_;
  std::vector<Level> levels_;
  std::map<InodeKey, RelPath> first_names_;
  std::pair<RelPath, Fd> open_dir_;
  RelPath current_file_;
  std::unique_ptr<ByteSource> contents_;
  MemorySource nothing_{""};
  bool started_ = false;
};

std::optional<Entry> Reader::next() {
  contents_.reset();
  current_file_ = RelPath();
  if (!started_) {
    started_ = true;
    if (auto root = start()) return root;
  }
  while (!levels_.empty()) {
    Level& level = levels_.back();
    if (level.next_hidden < level.hidden.size()) return level.hidden[level.next_hidden++];
    if (level.next_name == level.names.size()) {
      levels_.pop_back();
      continue;
    }
    const std::string name = level.names[level.next_name++];
    if (auto entry = emit(level, name)) return entry;
  }
  return std::nullopt;
}

std::optional<Entry> Reader::start() {
  Entry root = read_diff_root(root_.fd(), format_).entry;
  Entry below;
  below.type = FileType::Directory;
  below.mode = 0755;
  if (lower_) below = lower_->lookup(RelPath()).value_or(below);
  enter(root, lower_ != nullptr);
  root.hides = Hides::Nothing;
  if (root == below) return std::nullopt;
  return root;
}

void Reader::enter(const Entry& object, bool parent_shows_lower) {
  Level level;
  level.path = object.path;
  const bool over_lower = parent_shows_lower && lower_has_directory(object.path);
  level.shows_lower = over_lower && object.hides != Hides::Below;
  if (over_lower && !level.shows_lower) level.hidden.push_back(opaque_marker(object.path));
  sort_names(level);
  levels_.push_back(std::move(level));
}

/// Whiteouts in front of everything else; those that hide nothing are dropped.
void Reader::sort_names(Level& level) {
  DiffNames names = read_diff_names(dir_fd(level.path), level.path, format_);
  level.names = std::move(names.objects);
  if (!level.shows_lower) return;
  for (const std::string& name : names.hidden) {
    const RelPath path = level.path / name;
    if (lower_has(path)) level.hidden.push_back(whiteout_of(path));
  }
}

std::optional<Entry> Reader::emit(Level& level, const std::string& name) {
  const bool shows_lower = level.shows_lower;
  const RelPath path = level.path / name;
  auto object = read_diff_object(dir_fd(level.path), name, path, format_);
  if (!object) fail(Errc::NotFound, "reading {}: it went away", quoted(path.absolute()));
  Entry& entry = object->entry;
  if (entry.type == FileType::Socket) {
    context_.warn(fmt::format("leaving out {}: a layer cannot hold a socket", quoted(path.str())));
    return std::nullopt;
  }
  if (is_overlay_whiteout(entry.type, entry.device_major, entry.device_minor)) {
    fail(Errc::Invalid, "reading {}: device 0:0 cannot be stored in a layer",
         quoted(path.absolute()));
  }
  if (entry.is_directory()) {
    enter(entry, shows_lower);
    entry.hides = Hides::Nothing;
    return entry;
  }
  link_if_seen(*object);
  if (entry.type == FileType::Regular && !entry.hard_link_target) current_file_ = path;
  return entry;
}

bool Reader::lower_has_directory(const RelPath& path) const {
  const auto below = lower_ ? lower_->lookup(path) : std::nullopt;
  return below && below->is_directory();
}

void Reader::link_if_seen(DiffObject& object) {
  if (object.stat.nlink < 2) return;
  const auto [first, added] =
      first_names_.try_emplace({object.stat.dev, object.stat.ino}, object.entry.path);
  if (!added) object.entry.hard_link_target = first->second;
}

int Reader::dir_fd(const RelPath& path) {
  if (!open_dir_.second || open_dir_.first != path) {
    open_dir_ = {path, root_.open(path, O_RDONLY | O_DIRECTORY, Follow::No)};
  }
  return open_dir_.second.get();
}

ByteSource& Reader::contents() {
  if (current_file_.is_root()) return nothing_;
  if (!contents_) {
    contents_ = open_contents(dir_fd(current_file_.parent()), std::string(current_file_.name()),
                              current_file_);
  }
  return *contents_;
}

}  // namespace

std::unique_ptr<LayerReader> make_diff_reader(Fd diff,
                                              std::shared_ptr<const LayerTree> lower,
                                              const Context& context,
                                              DiffFormat format) {
  return std::make_unique<Reader>(std::move(diff), std::move(lower), context, format);
}

}  // namespace layerkit
