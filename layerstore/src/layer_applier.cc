#include "layer_applier.h"

#include <limits>

#include "diff_object.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "layerkit/base/whiteout.h"
#include "packed_xattrs.h"

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

}  // namespace

void LayerApplier::add(const Entry& entry, ByteSource& contents) {
  with_context([&] { return fmt::format("unpacking {}", quoted(entry.path.absolute())); },
               [&] { add_entry(entry, contents); });
}

void LayerApplier::add_entry(const Entry& entry, ByteSource& contents) {
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

void LayerApplier::add_whiteout(const RelPath& path) {
  DraftDir* dir = resolver_.find(path.parent());
  if (dir != nullptr && draft_.white_out(*dir, path.name())) resolver_.forget();
}

void LayerApplier::add_opaque(const RelPath& path) {
  DraftDir& dir = resolver_.claim(path);
  if (draft_.below(dir) != Below::Merged) return;
  draft_.empty(dir);
  resolver_.forget();
  if (dir.is_root()) root_is_opaque_ = true;
}

void LayerApplier::add_directory(const Entry& entry) {
  if (entry.path.is_root()) return name_directory(draft_.root(), entry);
  DraftDir& parent = resolver_.claim(entry.path.parent());
  const std::string name(entry.path.name());
  resolver_.on_change(parent, name);
  DraftDir& dir = draft_.add_child(parent, name);
  if (!files_.make_dir(dir)) {
    replace_file(parent, name);
    draft_.replace_lower(dir);
    files_.make_dir(dir);
  }
  draft_.claim(dir);
  name_directory(dir, entry);
}

void LayerApplier::name_directory(DraftDir& dir, const Entry& entry) {
  if (dir.claim == Claim::Entry) duplicates_.add(entry.path.str());
  dir.claim = Claim::Entry;
  dir.mode = entry.mode;
  dir.uid = entry.uid;
  dir.gid = entry.gid;
  dir.mtime = entry.mtime;
  dir.xattrs = encode_xattrs(entry.xattrs);
}

void LayerApplier::add_file(const Entry& entry, ByteSource& contents) {
  check_file(entry);
  DraftDir& parent = resolver_.claim(entry.path.parent());
  const std::string name(entry.path.name());
  make_room(parent, name);
  using Outcome = DraftFiles::Outcome;
  Outcome outcome = files_.create(parent, name, entry, contents);
  if (outcome == Outcome::Exists) {
    replace_file(parent, name);
    outcome = files_.create(parent, name, entry, contents);
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

void LayerApplier::make_room(DraftDir& dir, const std::string& name) {
  resolver_.on_change(dir, name);
  if (dir.is(name, NameState::WhitedOut)) dir.forget(name);
  const DraftDir* child = dir.child(name);
  if (child == nullptr) return;
  if (child->claim != Claim::None) {
    duplicates_.add(path_of(dir, name).str());
    if (child->made && before_removal_) before_removal_(path_of(dir, name));
  }
  draft_.remove_child(dir, name);
  resolver_.forget();
}

void LayerApplier::replace_file(DraftDir& dir, const std::string& name) {
  if (!dir.is(name, NameState::CopiedUp)) {
    duplicates_.add(path_of(dir, name).str());
    if (before_removal_) before_removal_(path_of(dir, name));
  }
  draft_.remove_file(dir, name);
}

/// AUFS's own files: no part of the layer, but its hard links may name them.
void LayerApplier::add_aside(const Entry& entry, ByteSource& contents) {
  if (entry.hides != Hides::Nothing || entry.is_directory()) return;
  check_owner(entry);
  check_file(entry);
  if (entry.hard_link_target) {
    const RelPath& target = *entry.hard_link_target;
    if (is_aufs_link(target)) refuse_link(target, "only files of the layer can link to it");
    DraftDir& dir = find_link_target(target);
    return files_.link_aside(dir, std::string(target.name()), entry.path);
  }
  files_.add_aside(entry, contents);
  if (entry.type != FileType::Regular) return;
  content_bytes_ += entry.size;
  last_aside_ = entry.path;
}

void LayerApplier::add_hard_link(const Entry& entry) {
  const RelPath& target = *entry.hard_link_target;
  DraftDir& parent = resolver_.claim(entry.path.parent());
  const std::string name(entry.path.name());
  if (is_aufs_link(target)) {
    if (!files_.holds_aside(target)) refuse_link(target, "it does not exist");
    return link_to([&] { return files_.link_from_aside(target, parent, name); }, entry, parent,
                   name);
  }
  DraftDir& target_dir = find_link_target(target);
  if (&target_dir == &parent && target.name() == name) {
    refuse_link(target, "it is the link itself");
  }
  for (const DraftDir* at = &target_dir; !at->is_root(); at = at->parent) {
    if (at->parent != &parent || at->name != name) continue;
    refuse_link(target, "the link would replace a directory that holds it");
  }
  const std::string target_name(target.name());
  link_to([&] { return files_.link(target_dir, target_name, parent, name); }, entry, parent, name);
}

void LayerApplier::link_to(const std::function<bool()>& link,
                           const Entry& entry,
                           DraftDir& parent,
                           const std::string& name) {
  make_room(parent, name);
  if (!link()) {
    replace_file(parent, name);
    if (!link()) {
      fail(Errc::Exists, "linking to {}: somebody else writes into the diff directory",
           quoted(entry.hard_link_target->str()));
    }
  }
  const auto type = draft_.file_at(parent, name);
  if (type && *type != FileType::Symlink) files_.update(parent, name, entry);
}

/// The directory that holds the target, on disk: the target itself is copied up when only the
/// lower layers have it.
DraftDir& LayerApplier::find_link_target(const RelPath& target) {
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

void LayerApplier::copy_up(DraftDir& dir, const std::string& name, const Entry& lower) {
  files_.copy_up(dir, name, lower, *draft_.lower());
  dir.special.emplace(std::pmr::string(name, dir.special.get_allocator()), NameState::CopiedUp);
  resolver_.on_change(dir, name);
}

void LayerApplier::finish() {
  with_context([] { return "finishing the diff directory"; },
               [this] {
                 files_.drop_aside();
                 finish_nodes(draft_.root());
                 finish_attributes(draft_.root(), RelPath());
               });
  duplicates_.report(context_);
  files_.report(context_);
}

/// Whiteouts come last, when it is known what they still have to hide.
void LayerApplier::finish_nodes(DraftDir& dir) {
  if (dir.claim != Claim::None) files_.make_dir(dir);
  for (const auto& [name, state] : dir.special) {
    if (state == NameState::WhitedOut) files_.white_out(dir, std::string(name));
    draft_.tidy();
  }
  draft_.tidy();
  for (const auto& [name, child] : dir.children)
    finish_nodes(*child);
}

/// Whether the format needs to be told that `dir` does not show the lower directory.
bool LayerApplier::needs_mark(DraftDir& dir) {
  if (!format_.is_aufs()) return dir.opaque && !dir.is_root();
  // A lower file ends the search for overlayfs. AUFS passes over it to directories further down.
  return dir.opaque || (draft_.below(dir) == Below::None && draft_.covers_lower(dir));
}

/// Deepest first, so that neither missing permissions nor changed times get in the way.
void LayerApplier::finish_attributes(DraftDir& dir, const RelPath& path) {
  for (const auto& [name, child] : dir.children)
    finish_attributes(*child, path / name);
  draft_.tidy();
  if (!dir.made) return;
  const bool known_below =
      draft_.below(dir) == Below::Merged || draft_.below(dir) == Below::Emptied;
  DirAttributes attributes;
  if (dir.claim == Claim::Entry) {
    attributes = {dir.mode, dir.uid, dir.gid, dir.mtime,
                  decode_xattrs(std::string_view(dir.xattrs))};
  } else if (known_below) {
    attributes = draft_.lower_attributes(path);
  }
  files_.finish_dir(dir, path, attributes, needs_mark(dir));
}

}  // namespace layerkit
