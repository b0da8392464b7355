#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "layerkit/base/entry.h"
#include "layerkit/base/fd.h"
#include "layerkit/layerstore/diff_format.h"

namespace layerkit {

// Files and directories of the store's own frame: exact modes whatever the umask is.

/// Creates a directory and returns it, readable. Errc::Exists when the name is taken.
Fd make_exact_dir(int dir_fd, const std::string& name, mode_t mode);

/// The same, unless the directory is there: then it is only opened.
Fd ensure_exact_dir(int dir_fd, const std::string& name, mode_t mode);

/// Creates a file. Errc::Exists when the name is taken. Not durable.
void write_exact_file(int dir_fd, const std::string& name, std::string_view contents, mode_t mode);

/// Flushes one file by name.
void sync_file_at(int dir_fd, const std::string& name);

/// Gives a diff directory the owner, mode, xattrs and mtime of `metadata` (as a mount shows them).
void set_directory_metadata(int dir_fd, const Entry& metadata, DiffFormat format);

/// Gives `name` in `new_dir` as one more link to `name` in `old_dir`; no symlink is followed.
void link_at(int old_dir, const std::string& old_name, int new_dir, const std::string& new_name);

/// Lets two names change places, in one step.
void exchange_at(int old_dir,
                 const std::string& old_name,
                 int new_dir,
                 const std::string& new_name);

/// Gives a file made with O_TMPFILE its mode and its name. Errc::Exists when the name is taken.
void link_nameless_file_at(int fd, int dir_fd, const std::string& name, mode_t mode);

/// True when `name` in `dir_fd` is the root of another mount.
bool is_mount_point_at(int dir_fd, const std::string& name);

}  // namespace layerkit
