#include <fcntl.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "diff_object.h"
#include "layerkit/base/error.h"
#include "layerkit/base/root_dir.h"
#include "layerkit/base/text.h"
#include "layerkit/layerstore/diff_dir.h"
#include "layerkit/layerstore/same_contents.h"
#include "name_list.h"
#include "upper_links.h"

namespace layerkit {
namespace {

Entry opaque_marker(const RelPath& path) {
  Entry marker;
  marker.path = path;
  marker.type = FileType::Directory;
  marker.hides = Hides::Below;
  return marker;
}

/// Where the contents of an entry are.
struct Contents {
  enum class Place { Nowhere, Upper, Lower };
  Place place = Place::Nowhere;
  RelPath path;
  std::uint64_t size = 0;
};

struct Item {
  Entry entry;
  Contents contents;
};

/// What of the lower view is seen in a directory.
enum class Merge {
  None,     ///< nothing
  InPlace,  ///< the lower directory of the same path, which shows through the layer by itself
  Copied,   ///< that of another path, or one that the layer hides: it is copied into the layer
};

/// A directory on the way to the current object.
struct Level {
  RelPath path;
  Merge merge = Merge::None;
  std::optional<RelPath> below;    ///< the lower directory that is seen here; unset for None
  std::optional<Entry> held_back;  ///< its own entry, until something in it is emitted
  bool marker = false;             ///< an opaque marker is yet to be emitted
  NameList hidden;                 ///< whited out
  NameList names;                  ///< in the upper directory
  NameList copied;                 ///< in the lower directory only, and to be copied
  std::size_t next_hidden = 0;
  std::size_t next_name = 0;
  std::size_t next_copied = 0;
};

/// Depth first, one directory's names in memory per level and one directory open.
class Reader final : public LayerReader {
 public:
  Reader(Fd diff,
         std::shared_ptr<const LayerTree> lower,
         const Context& context,
         DiffFormat format,
         const DiffReaderOptions& options)
      : root_(std::move(diff)),
        lower_(std::move(lower)),
        context_(context),
        format_(format),
        options_(options) {}

  std::optional<Entry> next() override;
  ByteSource& contents() override;

 private:
  std::optional<Item> produce();
  std::optional<Item> start();
  std::optional<Entry> next_hidden(Level& level);
  std::optional<Item> next_object(Level& level);
  std::optional<Item> read_upper(const Level& level, const RelPath& path);
  std::optional<Item> read_lower(const Level& level, const RelPath& path);
  std::optional<Item> enter_upper(const Level& parent, Entry entry, const OverlayNotes& notes);
  Level merged_level(const Level& parent, const Entry& directory, const OverlayNotes& notes) const;
  std::optional<RelPath> unmoved_directory(const Level& parent, const RelPath& path) const;
  RelPath redirected_directory(const Level& parent,
                               const RelPath& path,
                               const std::string& redirect) const;
  void list_upper(Level& level);
  void list_lower(Level& level) const;
  Contents contents_of(const Level& level, const Entry& file, const OverlayNotes& notes) const;
  Contents metacopy_contents(const Level& level,
                             const Entry& file,
                             const OverlayNotes& notes) const;
  std::unique_ptr<ByteSource> open(const Contents& contents);
  bool is_unchanged(const Level& level, const Item& item);

  void refuse_name(const RelPath& path) const;
  bool takes_type(const Entry& entry) const;
  std::optional<Entry> lower_at(const RelPath& path) const {
    return lower_ ? lower_->lookup(path) : std::nullopt;
  }
  bool lower_has_directory(const RelPath& path) const;
  int dir_fd(const RelPath& path);

  RootDir root_;
  std::shared_ptr<const LayerTree> lower_;
  Context context_;
  DiffFormat format_;
  DiffReaderOptions options_;
  std::vector<Level> levels_;
  UpperLinks links_;
  std::pair<RelPath, Fd> open_dir_;
  std::optional<Item> waiting_;  ///< until the directories that were held back have been emitted
  Contents current_;
  std::unique_ptr<ByteSource> source_;
  MemorySource nothing_{""};
  bool started_ = false;
};

std::optional<Entry> Reader::next() {
  source_.reset();
  current_ = {};
  if (!waiting_) waiting_ = produce();
  if (!waiting_) return std::nullopt;
  for (Level& level : levels_) {
    if (level.held_back) return std::exchange(level.held_back, std::nullopt);
  }
  Item item = std::move(*waiting_);
  waiting_.reset();
  current_ = std::move(item.contents);
  return std::move(item.entry);
}

std::optional<Item> Reader::produce() {
  if (!started_) {
    started_ = true;
    if (auto root = start()) return root;
  }
  while (!levels_.empty()) {
    Level& level = levels_.back();
    if (auto marker = next_hidden(level)) return Item{std::move(*marker), {}};
    if (level.next_name == level.names.size() && level.next_copied == level.copied.size()) {
      levels_.pop_back();
      continue;
    }
    if (auto item = next_object(level)) return item;
  }
  links_.check_complete();
  return std::nullopt;
}

std::optional<Item> Reader::start() {
  Entry root = read_diff_root(root_.fd(), format_).entry;
  Entry below;
  below.type = FileType::Directory;
  below.mode = 0755;
  Level level;
  if (lower_) {
    below = lower_->lookup(RelPath()).value_or(below);
    // Only AUFS has opaque roots.
    level.marker = root.hides == Hides::Below;
    if (!level.marker) level.below = RelPath();
    if (!level.marker) level.merge = Merge::InPlace;
  }
  root.hides = Hides::Nothing;
  list_upper(level);
  levels_.push_back(std::move(level));
  if (root == below) return std::nullopt;
  return Item{std::move(root), {}};
}

/// Whiteouts that hide nothing are left out.
std::optional<Entry> Reader::next_hidden(Level& level) {
  if (std::exchange(level.marker, false)) return opaque_marker(level.path);
  while (level.merge == Merge::InPlace && level.next_hidden < level.hidden.size()) {
    const RelPath path = level.path / level.hidden[level.next_hidden++];
    if (lower_at(path)) return whiteout_of(path);
  }
  return std::nullopt;
}

/// The next in order of the upper names and the copied ones.
std::optional<Item> Reader::next_object(Level& level) {
  const bool upper_left = level.next_name < level.names.size();
  const bool copied_left = level.next_copied < level.copied.size();
  if (upper_left &&
      (!copied_left || level.names[level.next_name] < level.copied[level.next_copied])) {
    return read_upper(level, level.path / level.names[level.next_name++]);
  }
  return read_lower(level, level.path / level.copied[level.next_copied++]);
}

std::optional<Item> Reader::read_upper(const Level& level, const RelPath& path) {
  OverlayNotes notes;
  auto object =
      read_diff_object(dir_fd(level.path), std::string(path.name()), path, format_, &notes);
  if (!object) fail(Errc::NotFound, "reading {}: it went away", quoted(path.absolute()));
  if (!takes_type(object->entry)) return std::nullopt;
  if (object->entry.is_directory()) return enter_upper(level, std::move(object->entry), notes);
  links_.resolve(object->entry, object->stat, notes);
  Item item{std::move(object->entry), {}};
  item.contents = contents_of(level, item.entry, notes);
  const bool linked = object->stat.nlink > 1;
  if (!linked && is_unchanged(level, item)) return std::nullopt;
  return item;
}

/// An object that is in the lower view only.
std::optional<Item> Reader::read_lower(const Level& level, const RelPath& path) {
  const RelPath from = *level.below / path.name();
  auto entry = lower_at(from);
  if (!entry) fail(Errc::NotFound, "reading {}: it went away", quoted(from.absolute()));
  entry->path = path;
  if (!takes_type(*entry)) return std::nullopt;
  Item item{std::move(*entry), {}};
  if (item.entry.is_directory()) {
    Level child;
    child.path = path;
    child.merge = Merge::Copied;
    child.below = from;
    list_lower(child);
    levels_.push_back(std::move(child));
  } else if (item.entry.type == FileType::Regular) {
    item.contents = {Contents::Place::Lower, from, item.entry.size};
  }
  return item;
}

std::optional<Item> Reader::enter_upper(const Level& parent,
                                        Entry entry,
                                        const OverlayNotes& notes) {
  Level level = merged_level(parent, entry, notes);
  list_upper(level);
  if (level.merge == Merge::Copied) list_lower(level);
  entry.hides = Hides::Nothing;
  Item item{std::move(entry), {}};
  const bool unchanged = level.merge == Merge::InPlace && is_unchanged(parent, item);
  if (unchanged) level.held_back = std::move(item.entry);
  levels_.push_back(std::move(level));  // `parent` is gone from here on
  if (unchanged) return std::nullopt;
  return item;
}

std::optional<RelPath> Reader::unmoved_directory(const Level& parent, const RelPath& path) const {
  if (!parent.below || !lower_has_directory(*parent.below / path.name())) return std::nullopt;
  return *parent.below / path.name();
}

RelPath Reader::redirected_directory(const Level& parent,
                                     const RelPath& path,
                                     const std::string& redirect) const {
  return with_context([&] { return "reading " + quoted(path.absolute()); },
                      [&] {
                        RelPath target = redirect_target(redirect, parent.below);
                        if (!lower_has_directory(target)) {
                          fail(Errc::Invalid,
                               "following its overlay redirect {}: there is no such directory",
                               quoted(redirect));
                        }
                        return target;
                      });
}

/// What is seen in a directory of the upper layer.
Level Reader::merged_level(const Level& parent,
                           const Entry& directory,
                           const OverlayNotes& notes) const {
  Level level;
  level.path = directory.path;
  if (directory.hides != Hides::Below) {
    level.below = notes.redirect ? redirected_directory(parent, directory.path, *notes.redirect)
                                 : unmoved_directory(parent, directory.path);
  }
  const bool over_lower = parent.merge == Merge::InPlace;
  const bool in_place = over_lower && level.below == directory.path;
  if (level.below) level.merge = in_place ? Merge::InPlace : Merge::Copied;
  level.marker = over_lower && !in_place && lower_has_directory(directory.path) &&
                 !lower_->list(directory.path).empty();
  return level;
}

void Reader::list_upper(Level& level) {
  DiffNames names = read_diff_names(dir_fd(level.path), level.path, format_);
  for (std::size_t i = 0; i < names.reserved.size(); ++i)
    refuse_name(level.path / names.reserved[i]);
  level.names = std::move(names.objects);
  if (level.below) level.hidden = std::move(names.hidden);
}

/// Lists what is seen of the lower directory.
void Reader::list_lower(Level& level) const {
  for (const std::string& name : lower_->list(*level.below)) {
    if (!level.names.contains(name) && !level.hidden.contains(name)) level.copied.add(name);
  }
}

Contents Reader::contents_of(const Level& level,
                             const Entry& file,
                             const OverlayNotes& notes) const {
  if (file.type != FileType::Regular || file.hard_link_target) return {};
  if (!notes.metacopy) return {Contents::Place::Upper, file.path, file.size};
  return with_context([&] { return "reading " + quoted(file.path.absolute()); },
                      [&] { return metacopy_contents(level, file, notes); });
}

Contents Reader::metacopy_contents(const Level& level,
                                   const Entry& file,
                                   const OverlayNotes& notes) const {
  std::optional<RelPath> from;
  if (notes.redirect) from = redirect_target(*notes.redirect, level.below);
  if (!from && level.below) from = *level.below / file.path.name();
  const auto data = from ? lower_at(*from) : std::nullopt;
  if (!data || data->type != FileType::Regular) {
    fail(Errc::Invalid, "following its overlay metacopy: the lower layers have no file for it");
  }
  if (data->size != file.size) {
    fail(Errc::Integrity, "following its overlay metacopy: {} has {} bytes instead of {}",
         quoted(from->absolute()), data->size, file.size);
  }
  return {Contents::Place::Lower, std::move(*from), file.size};
}

/// Whether leaving it out leaves the same.
bool Reader::is_unchanged(const Level& level, const Item& item) {
  if (options_.unchanged == Unchanged::Keep || level.merge != Merge::InPlace) return false;
  const auto below = lower_at(item.entry.path);
  if (!below || *below != item.entry) return false;
  if (item.contents.place == Contents::Place::Nowhere) return true;
  return same_contents(*open(item.contents), *lower_->open(item.entry.path));
}

std::unique_ptr<ByteSource> Reader::open(const Contents& contents) {
  if (contents.place == Contents::Place::Lower) return lower_->open(contents.path);
  return open_contents(dir_fd(contents.path.parent()), std::string(contents.path.name()),
                       contents.path, contents.size);
}

ByteSource& Reader::contents() {
  if (current_.place == Contents::Place::Nowhere) return nothing_;
  if (!source_) source_ = open(current_);
  return *source_;
}

void Reader::refuse_name(const RelPath& path) const {
  if (options_.reserved_names == ReservedNames::Refuse) {
    fail(Errc::Invalid, "reading {}: names starting with '.wh.' cannot be stored in a layer",
         quoted(path.absolute()));
  }
  context_.warn(fmt::format("leaving out {}: a layer cannot hold names starting with '.wh.'",
                            quoted(path.str())));
}

bool Reader::takes_type(const Entry& entry) const {
  if (is_overlay_whiteout(entry.type, entry.device_major, entry.device_minor)) {
    fail(Errc::Invalid, "reading {}: device 0:0 cannot be stored in a layer",
         quoted(entry.path.absolute()));
  }
  if (entry.type != FileType::Socket) return true;
  context_.warn(
      fmt::format("leaving out {}: a layer cannot hold a socket", quoted(entry.path.str())));
  return false;
}

bool Reader::lower_has_directory(const RelPath& path) const {
  const auto below = lower_at(path);
  return below && below->is_directory();
}

int Reader::dir_fd(const RelPath& path) {
  if (!open_dir_.second || open_dir_.first != path) {
    open_dir_ = {path, root_.open(path, O_RDONLY | O_DIRECTORY, Follow::No)};
  }
  return open_dir_.second.get();
}

}  // namespace

std::unique_ptr<LayerReader> make_diff_reader(Fd diff,
                                              std::shared_ptr<const LayerTree> lower,
                                              const Context& context,
                                              DiffFormat format,
                                              const DiffReaderOptions& options) {
  return std::make_unique<Reader>(std::move(diff), std::move(lower), context, format, options);
}

}  // namespace layerkit
