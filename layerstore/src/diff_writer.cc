#include <fcntl.h>
#include <unistd.h>

#include <limits>
#include <utility>

#include "diff_draft.h"
#include "diff_object.h"
#include "diff_resolver.h"
#include "files_aside.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "layerkit/layerstore/diff_dir.h"
#include "object_writer.h"
#include "packed_xattrs.h"
#include "tally.h"

namespace layerkit {
namespace {

void check_owner(const Entry& entry) {
  // chown(2) takes -1 for "leave it", which would make the file root's.
  constexpr std::uint32_t kNobody = std::numeric_limits<std::uint32_t>::max();
  if (entry.uid == kNobody || entry.gid == kNobody) {
    fail(Errc::Invalid, "reading its owner: {} is no user or group ID", kNobody);
  }
}

void check_file(const Entry& entry) {
  if (is_overlay_whiteout(entry.type, entry.device_major, entry.device_minor)) {
    fail(Errc::Invalid, "creating a device: 0:0 would be a whiteout");
  }
  if (entry.type != FileType::Symlink) return;
  if (entry.symlink_target.empty() || entry.symlink_target.find('\0') != std::string::npos) {
    fail(Errc::Invalid, "creating a symlink: its target is empty or contains a NUL byte");
  }
}

[[noreturn]] void refuse_link(const RelPath& target, const char* reason) {
  fail(Errc::Invalid, "linking to {}: {}", quoted(target.str()), reason);
}

class Writer final : public DiffWriter {
 public:
  Writer(Fd diff,
         std::shared_ptr<const LayerTree> lower,
         const Context& context,
         BeforeRemoval before_removal,
         DiffFormat format,
         std::uint64_t max_directories)
      : context_(context),
        before_removal_(std::move(before_removal)),
        format_(format),
        draft_(std::move(diff), std::move(lower), format, max_directories),
        resolver_(draft_),
        objects_(format, context),
        aside_(draft_.disk(), objects_, before_removal_) {
    objects_.neutralize_root(draft_.fd(draft_.root()));
  }

  void add(const Entry& entry, ByteSource& contents) override {
    with_context([&] { return fmt::format("unpacking {}", quoted(entry.path.absolute())); },
                 [&] { add_entry(entry, contents); });
  }
  void finish() override;

  bool hides_everything_below() const noexcept override { return root_is_opaque_; }
  std::uint64_t content_bytes() const noexcept override { return content_bytes_; }
  std::optional<RelPath> last_file() const override {
    if (last_aside_) return last_aside_;
    if (last_file_.first == nullptr) return std::nullopt;
    return draft_.path(*last_file_.first, last_file_.second);
  }

 private:
  void add_entry(const Entry& entry, ByteSource& contents);
  void add_whiteout(const RelPath& path);
  void add_opaque(const RelPath& path);
  void add_directory(const Entry& entry);
  void add_file(const Entry& entry, ByteSource& contents);
  void add_hard_link(const Entry& entry);

  void add_aside(const Entry& entry, ByteSource& contents);
  DraftDir& find_link_target(const RelPath& target);
  void link_to(const std::function<int()>& target_fd,
               const Entry& entry,
               DraftDir& parent,
               const std::string& name);
  void copy_up(DraftDir& dir, const std::string& name, const Entry& lower);
  /// Makes the name free for a new object that is not a directory.
  void make_room(DraftDir& dir, const std::string& name);
  void replace_file(DraftDir& dir, const std::string& name);
  void name_directory(DraftDir& dir, const Entry& entry);

  void finish_nodes(DraftDir& dir);
  bool needs_mark(DraftDir& dir);
  void finish_attributes(DraftDir& dir, const RelPath& path);

  Context context_;
  BeforeRemoval before_removal_;
  DiffFormat format_;
  DiffDraft draft_;
  DiffResolver resolver_;
  ObjectWriter objects_;
  FilesAside aside_;
  Tally duplicates_{"paths named by more than one entry of the layer, the last one counts"};
  std::uint64_t content_bytes_ = 0;
  std::pair<const DraftDir*, std::string> last_file_{nullptr, {}};
  std::optional<RelPath> last_aside_;
  bool root_is_opaque_ = false;
};

void Writer::add_entry(const Entry& entry, ByteSource& contents) {
  draft_.tidy();
  last_file_.first = nullptr;
  last_aside_.reset();
  if (is_aufs_link(entry.path)) return add_aside(entry, contents);
  if (entry.hides == Hides::Below) return add_opaque(entry.path);
  if (entry.path.is_root() && (!entry.is_directory() || entry.hard_link_target)) {
    fail(Errc::Invalid, "replacing the root: it can only be a directory");
  }
  if (entry.is_whiteout()) return add_whiteout(entry.path);
  if (!entry.path.is_root() && is_reserved_name(entry.path.name(), format_)) {
    fail(Errc::Invalid, "creating it: AUFS keeps names starting with '.wh.' for itself");
  }
  check_owner(entry);
  if (entry.hard_link_target) return add_hard_link(entry);
  if (entry.is_directory()) return add_directory(entry);
  add_file(entry, contents);
}

void Writer::add_whiteout(const RelPath& path) {
  DraftDir* dir = resolver_.find(path.parent());
  if (dir != nullptr && draft_.white_out(*dir, path.name())) resolver_.forget();
}

void Writer::add_opaque(const RelPath& path) {
  DraftDir& dir = resolver_.claim(path);
  if (draft_.below(dir) != Below::Merged) return;
  draft_.empty(dir);
  resolver_.forget();
  if (dir.is_root()) root_is_opaque_ = true;
}

void Writer::add_directory(const Entry& entry) {
  if (entry.path.is_root()) return name_directory(draft_.root(), entry);
  DraftDir& parent = resolver_.claim(entry.path.parent());
  const std::string name(entry.path.name());
  resolver_.on_change(parent, name);
  DraftDir& dir = draft_.add_child(parent, name);
  if (!draft_.make_on_disk(dir)) {
    replace_file(parent, name);
    draft_.replace_lower(dir);
    draft_.make_on_disk(dir);
  }
  draft_.claim(dir);
  name_directory(dir, entry);
}

void Writer::name_directory(DraftDir& dir, const Entry& entry) {
  if (dir.claim == Claim::Entry) duplicates_.add(entry.path.str());
  dir.claim = Claim::Entry;
  dir.mode = entry.mode;
  dir.uid = entry.uid;
  dir.gid = entry.gid;
  dir.mtime = entry.mtime;
  dir.xattrs = encode_xattrs(entry.xattrs);
}

void Writer::add_file(const Entry& entry, ByteSource& contents) {
  check_file(entry);
  DraftDir& parent = resolver_.claim(entry.path.parent());
  const std::string name(entry.path.name());
  make_room(parent, name);
  using Outcome = ObjectWriter::Outcome;
  Outcome outcome = objects_.create(draft_.fd(parent), name, entry, contents);
  if (outcome == Outcome::Exists) {
    replace_file(parent, name);
    outcome = objects_.create(draft_.fd(parent), name, entry, contents);
  }
  if (outcome == Outcome::Exists) {
    fail(Errc::Exists, "creating a file: somebody else writes into the diff directory");
  }
  if (outcome == Outcome::NotPermitted) {
    draft_.white_out(parent, name);
    return;
  }
  if (entry.type != FileType::Regular) return;
  content_bytes_ += entry.size;
  last_file_ = {&parent, name};
}

void Writer::make_room(DraftDir& dir, const std::string& name) {
  resolver_.on_change(dir, name);
  if (dir.is(name, NameState::WhitedOut)) dir.forget(name);
  const DraftDir* child = dir.child(name);
  if (child == nullptr) return;
  if (child->claim != Claim::None) {
    duplicates_.add(draft_.path(dir, name).str());
    if (child->on_disk && before_removal_) before_removal_(draft_.path(dir, name));
  }
  draft_.remove_child(dir, name);
  resolver_.forget();
}

void Writer::replace_file(DraftDir& dir, const std::string& name) {
  if (!dir.is(name, NameState::CopiedUp)) {
    duplicates_.add(draft_.path(dir, name).str());
    if (before_removal_) before_removal_(draft_.path(dir, name));
  }
  draft_.remove_file(dir, name);
}

/// AUFS's own files: no part of the layer, but its hard links may name them.
void Writer::add_aside(const Entry& entry, ByteSource& contents) {
  if (entry.hides != Hides::Nothing || entry.is_directory()) return;
  check_owner(entry);
  check_file(entry);
  if (entry.hard_link_target) {
    const RelPath& target = *entry.hard_link_target;
    if (is_aufs_link(target)) refuse_link(target, "only files of the layer can link to it");
    DraftDir& dir = find_link_target(target);
    return aside_.link(draft_.fd(dir), std::string(target.name()), entry.path);
  }
  aside_.add(entry, contents);
  if (entry.type != FileType::Regular) return;
  content_bytes_ += entry.size;
  last_aside_ = entry.path;
}

void Writer::add_hard_link(const Entry& entry) {
  const RelPath& target = *entry.hard_link_target;
  DraftDir& parent = resolver_.claim(entry.path.parent());
  const std::string name(entry.path.name());
  if (is_aufs_link(target)) {
    if (!aside_.holds(target)) refuse_link(target, "it does not exist");
    return link_to([&] { return aside_.fd(); }, entry, parent, name);
  }
  DraftDir& target_dir = find_link_target(target);
  if (&target_dir == &parent && target.name() == name) {
    refuse_link(target, "it is the link itself");
  }
  for (const DraftDir* at = &target_dir; !at->is_root(); at = at->parent) {
    if (at->parent != &parent || at->name != name) continue;
    refuse_link(target, "the link would replace a directory that holds it");
  }
  link_to([&] { return draft_.fd(target_dir); }, entry, parent, name);
}

void Writer::link_to(const std::function<int()>& target_fd,
                     const Entry& entry,
                     DraftDir& parent,
                     const std::string& name) {
  make_room(parent, name);
  const std::string target_name(entry.hard_link_target->name());
  const auto link = [&] {
    return ::linkat(target_fd(), target_name.c_str(), draft_.fd(parent), name.c_str(), 0);
  };
  int result = link();
  if (result != 0 && errno == EEXIST) {
    replace_file(parent, name);
    result = link();
  }
  if (result != 0) {
    const int err = errno;
    fail_errno(err, "linking to {}", quoted(entry.hard_link_target->str()));
  }
  const auto now = draft_.file_at(parent, name);
  if (now && now->type != FileType::Symlink) {
    objects_.update_linked(draft_.fd(parent), name, entry, *now);
  }
}

/// The directory that holds the target, on disk: the target itself is copied up when only the
/// lower layers have it.
DraftDir& Writer::find_link_target(const RelPath& target) {
  if (target.is_root()) refuse_link(target, "it is a directory");
  DraftDir* dir = resolver_.find(target.parent());
  if (dir == nullptr) refuse_link(target, "it does not exist");
  const std::string name(target.name());
  const DraftDir* child = dir->child(name);
  if (child != nullptr && child->exists()) refuse_link(target, "it is a directory");
  if (draft_.file_at(*dir, name)) return *dir;
  if (dir->is(name, NameState::WhitedOut)) refuse_link(target, "the same layer removes it");
  const auto lower = draft_.lower_at(*dir, name);
  if (!lower) refuse_link(target, "it does not exist");
  if (lower->is_directory()) refuse_link(target, "it is a directory");
  copy_up(*dir, name, *lower);
  return *dir;
}

void Writer::copy_up(DraftDir& dir, const std::string& name, const Entry& lower) {
  MemorySource nothing("");
  const RelPath path = draft_.path(dir, name);
  const auto contents =
      lower.type == FileType::Regular ? draft_.open_lower(path) : std::unique_ptr<ByteSource>();
  objects_.create(draft_.fd(dir), name, lower, contents ? *contents : nothing);
  dir.special.emplace(std::pmr::string(name, dir.special.get_allocator()), NameState::CopiedUp);
  resolver_.on_change(dir, name);
}

void Writer::finish() {
  with_context([] { return "finishing the diff directory"; },
               [this] {
                 aside_.remove();
                 finish_nodes(draft_.root());
                 finish_attributes(draft_.root(), RelPath());
               });
  duplicates_.report(context_);
  objects_.report();
}

/// Whiteouts come last, when it is known what they still have to hide.
void Writer::finish_nodes(DraftDir& dir) {
  if (dir.claim != Claim::None) draft_.make_on_disk(dir);
  for (const auto& [name, state] : dir.special) {
    if (state == NameState::WhitedOut) objects_.create_whiteout(draft_.fd(dir), std::string(name));
    draft_.tidy();
  }
  draft_.tidy();
  for (const auto& [name, child] : dir.children)
    finish_nodes(*child);
}

/// Whether the format needs to be told that `dir` does not show the lower directory.
bool Writer::needs_mark(DraftDir& dir) {
  if (!format_.is_aufs()) return dir.opaque && !dir.is_root();
  // A lower file ends the search for overlayfs. AUFS passes over it to directories further down.
  return dir.opaque || (draft_.below(dir) == Below::None && draft_.covers_lower(dir));
}

/// Deepest first, so that neither missing permissions nor changed times get in the way.
void Writer::finish_attributes(DraftDir& dir, const RelPath& path) {
  for (const auto& [name, child] : dir.children)
    finish_attributes(*child, path / name);
  draft_.tidy();
  if (!dir.on_disk) return;
  const int fd = draft_.fd(dir);
  if (needs_mark(dir)) objects_.mark_opaque(fd);
  if (dir.claim == Claim::Entry) {
    return objects_.finish_directory(
        fd, path.absolute(),
        {dir.mode, dir.uid, dir.gid, dir.mtime, decode_xattrs(std::string_view(dir.xattrs))});
  }
  const bool known_below =
      draft_.below(dir) == Below::Merged || draft_.below(dir) == Below::Emptied;
  objects_.finish_directory(fd, path.absolute(),
                            known_below ? draft_.lower_attributes(path) : DirAttributes{});
}

}  // namespace

std::unique_ptr<DiffWriter> make_diff_writer(Fd diff,
                                             std::shared_ptr<const LayerTree> lower,
                                             const Context& context,
                                             DiffFormat format,
                                             BeforeRemoval before_removal,
                                             std::uint64_t max_directories) {
  return std::make_unique<Writer>(std::move(diff), std::move(lower), context,
                                  std::move(before_removal), format, max_directories);
}

}  // namespace layerkit
