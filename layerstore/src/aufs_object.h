#pragma once

#include <optional>
#include <string>
#include <vector>

#include "diff_object.h"

namespace layerkit {

// The objects of an AUFS branch (fs/aufs/whout.c, dentry.c): see diff_object.h for what the
// functions do.

std::optional<DiffObject> read_aufs_object(int dir_fd,
                                           const std::string& name,
                                           const RelPath& path);
DiffNames read_aufs_names(int dir_fd, const RelPath& path);
std::vector<std::string> list_aufs_names(int dir_fd);
/// Throws Error{Invalid} where AUFS gives EIO: a whiteout that is no regular file.
bool is_aufs_whiteout_at(int dir_fd, const std::string& name);
bool is_aufs_opaque_dir(int dir_fd);

}  // namespace layerkit
