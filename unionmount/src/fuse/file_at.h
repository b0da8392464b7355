#pragma once

#include <sys/stat.h>

#include <optional>
#include <string>
#include <string_view>

#include "layerkit/base/fd.h"

namespace layerkit {

// Calls on one name in a branch's directory, no symlink followed. They run millions of times and
// their failures are answers to a process, so what may fail as a matter of course gives its errno.

/// fstatat(2); 0 or the errno.
[[nodiscard]] int stat_name(int dir, const std::string& name, struct stat& stat) noexcept;
/// fstat(2) of an open object. Throws.
struct stat stat_open(int fd);
bool name_exists(int dir, const std::string& name) noexcept;

/// openat(2) with O_CLOEXEC and O_NOCTTY; empty on failure, with errno. O_NOATIME is left out where
/// it is not allowed: only an object's owner may ask for it.
Fd try_open(int dir, const char* name, int flags, mode_t mode = 0) noexcept;
/// As try_open, with O_NOFOLLOW. Throws.
Fd open_name(int dir, const std::string& name, int flags, mode_t mode = 0);
/// O_PATH.
Fd open_object(int dir, const std::string& name);

enum class IfExists { Fail, Replace, Exchange };
/// renameat2(2). Throws.
void rename_name(
    int from, const std::string& name, int to, const std::string& new_name, IfExists if_exists);
/// unlinkat(2); an absent name is no error. Throws otherwise.
void remove_name(int dir, const std::string& name);

/// getxattr of `dir`/`name` (of `dir` itself when `name` is empty) into `value`; 0 or the errno.
[[nodiscard]] int get_xattr(int dir, const std::string& name, const char* key, std::string& value);
/// "/proc/self/fd/DIR/NAME".
std::string proc_name(int dir, const std::string& name);

/// Owner, mode, times and xattrs of one open object (O_PATH will do); throw.
void set_owner(int fd, uid_t uid, gid_t gid);
void set_mode(int fd, mode_t mode);
void set_times(int fd, const struct timespec& atime, const struct timespec& mtime);

/// Whether this thread acts with CAP_FSETID (capabilities(7)): with it, setgid bits can be given to
/// files of any group and no write clears setuid and setgid bits; without it the rules for ordinary
/// users hold. Costs nothing when it is as wanted.
void keep_setid_bits(bool keep) noexcept;

/// Makes this thread's umask its own, once.
void prepare_server_thread() noexcept;

/// Whether this process may give files away (CAP_CHOWN).
bool may_change_owners() noexcept;

}  // namespace layerkit
