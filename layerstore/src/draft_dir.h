#pragma once

#include <cstdint>
#include <map>
#include <memory_resource>
#include <string>
#include <string_view>

#include "layerkit/base/entry.h"

namespace layerkit {

struct FileName;

/// What a directory of a diff under construction shows of the layers below.
enum class Below {
  Unknown,  ///< not looked up yet
  Merged,   ///< the lower view has this directory and its children are seen
  Emptied,  ///< the lower view has this directory, but an opaque marker hides its children
  None,     ///< nothing: absent below, or hidden
};

/// Why a directory is part of the layer.
enum class Claim {
  None,    ///< it is not: it was walked through, or carries whiteouts and copied-up files only
  Parent,  ///< an entry lies in it
  Entry,   ///< an entry names it
};

/// What is special about a name that is not a directory of this layer.
enum class NameState {
  WhitedOut,  ///< exists below and is hidden; the node is made at the end
  CopiedUp,   ///< made, but a lower file: so that it could be hard-linked
};

/// Attributes of a directory, kept until the end: they apply after everything in it is made.
struct DirAttributes {
  std::uint32_t mode = 0755;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  Timestamp mtime;
  Xattrs xattrs;
};

/// One directory of a layer under construction. What is in it besides directories is known to the
/// draft's DraftFiles. All of it lies in one arena, which owns it: there may be millions.
///
/// A claimed directory's ancestors are claimed. `special` is empty unless `below` is Merged.
struct DraftDir {
  explicit DraftDir(std::pmr::memory_resource* arena)
      : children(arena), special(arena), xattrs(arena) {}

  DraftDir* parent = nullptr;  ///< null for the root
  std::string_view name;       ///< points into the parent's `children`
  std::pmr::map<std::pmr::string, DraftDir*, std::less<>> children;
  std::pmr::map<std::pmr::string, NameState, std::less<>> special;
  /// The first of its files' names; null where the files are in a diff directory.
  FileName* files = nullptr;
  // What the entry said; meaningful when `claim` is Entry.
  std::uint32_t mode = 0;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  Timestamp mtime;
  std::pmr::string xattrs;  ///< as encode_xattrs has it
  std::uint64_t nid = 0;    ///< where an EROFS index has it; 0: nowhere yet
  unsigned depth = 0;
  Below below = Below::Unknown;
  Claim claim = Claim::None;
  bool made = false;    ///< it is where the draft's files are
  bool opaque = false;  ///< the lower directory at this path must be hidden by the opaque xattr

  /// False for a directory that was only imagined on the way through `missing/..`.
  bool exists() const noexcept {
    return claim != Claim::None || made || below == Below::Merged || below == Below::Emptied;
  }
  bool is_root() const noexcept { return parent == nullptr; }

  DraftDir* child(std::string_view child_name) const {
    const auto found = children.find(child_name);
    return found == children.end() ? nullptr : found->second;
  }
  bool is(std::string_view child_name, NameState state) const {
    const auto found = special.find(child_name);
    return found != special.end() && found->second == state;
  }
  void forget(std::string_view child_name) {
    const auto found = special.find(child_name);
    if (found != special.end()) special.erase(found);
  }
};

/// Throws Error{Limit} when it is longer than PATH_MAX allows.
RelPath path_of(const DraftDir& dir);
inline RelPath path_of(const DraftDir& dir, std::string_view name) {
  return path_of(dir) / name;
}

}  // namespace layerkit
