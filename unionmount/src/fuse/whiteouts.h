#pragma once

#include <sys/stat.h>

#include <string>

#include "live_branch.h"

namespace layerkit {

// What says "not here" on a live branch. `dir` is a directory of the branch. All throw Error with
// the errno.

/// `.wh.` + name; ENAMETOOLONG where that is no name.
std::string whiteout_name_of(const std::string& name);
/// A character device 0:0 on a branch where it is overlayfs's whiteout.
bool is_whiteout_device(const LiveBranch& branch, const struct stat& stat) noexcept;
/// Whether `.wh.NAME` is there.
bool has_whiteout_name(int dir, const std::string& name) noexcept;
/// Throws EPERM for what has its contents, or a directory the lower ones of its parts, in another
/// place ("redirect", "metacopy"): what is below that name is something else.
void check_is_in_place(const LiveBranch& branch,
                       int dir,
                       const std::string& name,
                       const struct stat& stat);
/// Whether the directory `name` hides what lower branches have in it.
bool is_opaque(const LiveBranch& branch, int dir, const std::string& name);

/// Hides a name that the branch does not hold.
void add_whiteout(const LiveBranch& branch, int dir, const std::string& name);
/// Puts a whiteout in the place of an object, a directory with all that is left in it. A crash
/// leaves the object or the whiteout, never neither.
void replace_by_whiteout(const LiveBranch& branch,
                         int dir,
                         const std::string& name,
                         bool is_directory);
/// Removes an object of the branch that hides nothing; a directory with all that is left in it.
void remove_object(const LiveBranch& branch, int dir, const std::string& name, bool is_directory);
/// Leaves nothing in a directory that is empty to the union, so that a rename can replace it: what
/// whiteouts in it hid is hidden by the directory itself. `hides`: a lower branch has the name.
void clear_directory(const LiveBranch& branch, int dir, const std::string& name, bool hides);
/// Takes the whiteout of `name` away once something stands in its place.
void remove_whiteout_name(const LiveBranch& branch, int dir, const std::string& name);
void make_opaque(const LiveBranch& branch, int dir, const std::string& name);

}  // namespace layerkit
