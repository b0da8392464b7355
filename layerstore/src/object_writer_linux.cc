#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <string_view>

#include "diff_object.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file_type.h"
#include "layerkit/base/text.h"
#include "object_writer.h"
#include "overlay_xattrs.h"

namespace layerkit {
namespace {

constexpr std::size_t kBuffer = std::size_t{256} * 1024;
/// Holes start and end at multiples of this: the block of ext4, xfs, btrfs and tmpfs.
constexpr std::size_t kBlock = 4096;
constexpr mode_t kPrivateFile = 0600;
constexpr const char* kCapability = "security.capability";

std::array<timespec, 2> times_of(Timestamp mtime) {
  return {timespec{0, UTIME_OMIT}, timespec{mtime.seconds, mtime.nanoseconds}};
}

bool is_zero(std::string_view block) {
  return block.front() == '\0' &&
         std::memcmp(block.data(), block.data() + 1, block.size() - 1) == 0;
}

/// 32-bit times and more fit everywhere; only others are worth a look at what was stored.
bool may_not_fit(Timestamp time) {
  return time.seconds < 0 || time.seconds > std::numeric_limits<std::int32_t>::max();
}

/// False when the name exists, else throws for a failed call.
bool created(int result, const char* kind, const Entry& entry) {
  const int err = errno;
  if (result >= 0) return true;
  if (err == EEXIST) return false;
  fail_errno(err, "creating {} {}", kind, quoted(entry.path.str()));
}

bool is_device(FileType type) {
  return type == FileType::CharDevice || type == FileType::BlockDevice;
}

bool create_node(int dir_fd, const std::string& name, const Entry& entry) {
  if (entry.type == FileType::Symlink) {
    return created(::symlinkat(entry.symlink_target.c_str(), dir_fd, name.c_str()), "symlink",
                   entry);
  }
  return created(::mknodat(dir_fd, name.c_str(), file_type_bits(entry.type) | kPrivateFile,
                           makedev(entry.device_major, entry.device_minor)),
                 "special file", entry);
}

void change_owner(int fd, const std::string& path, std::uint32_t uid, std::uint32_t gid) {
  if (::fchown(fd, uid, gid) != 0) {
    const int err = errno;
    fail_errno(err, "setting the owner of {} to {}:{}", quoted(path), uid, gid);
  }
}

void change_mode(int fd, const std::string& path, std::uint32_t mode) {
  if (::fchmod(fd, mode) != 0) {
    const int err = errno;
    fail_errno(err, "setting the mode of {}", quoted(path));
  }
}

/// Most files are made right; asking costs a tenth of saying it again.
void fit_owner_and_mode(
    int fd, const std::string& path, std::uint32_t uid, std::uint32_t gid, std::uint32_t mode) {
  const FileStat now = stat_fd(fd);
  // Owner first: chown(2) clears setuid and setgid.
  if (now.uid != uid || now.gid != gid) change_owner(fd, path, uid, gid);
  if (now.mode != mode) change_mode(fd, path, mode);
}

/// A file of AUFS that says something by its name, with the attributes that AUFS gives it.
void create_marker(int dir_fd, const std::string& name) {
  constexpr mode_t kReadOnly = 0444;
  constexpr int kFlags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  const Fd file(::openat(dir_fd, name.c_str(), kFlags, kReadOnly));
  if (!file) {
    const int err = errno;
    fail_errno(err, "creating the whiteout {}", quoted(name));
  }
  change_mode(file.get(), name, kReadOnly);
}

}  // namespace

ObjectWriter::ObjectWriter(DiffFormat format, const Context& context)
    : format_(format), context_(context), buffer_(kBuffer) {}

ObjectWriter::Outcome ObjectWriter::create(int dir_fd,
                                           const std::string& name,
                                           const Entry& entry,
                                           ByteSource& contents) {
  if (entry.type == FileType::Regular) {
    return create_file(dir_fd, name, entry, contents) ? Outcome::Created : Outcome::Exists;
  }
  try {
    if (!create_node(dir_fd, name, entry)) return Outcome::Exists;
  } catch (const Error& error) {
    // An ordinary user's containers have no use for devices, and the layer is whole without.
    if (error.sys_errno() != EPERM || !is_device(entry.type)) throw;
    lost_devices_.add(entry.path.str());
    return Outcome::NotPermitted;
  }
  apply_to_name(dir_fd, name, entry);
  return Outcome::Created;
}

bool ObjectWriter::create_file(int dir_fd,
                               const std::string& name,
                               const Entry& entry,
                               ByteSource& contents) {
  constexpr int kFlags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  // The directories around it are private until the end: the final permissions can come at once.
  const Fd file(::openat(dir_fd, name.c_str(), kFlags, entry.mode & 0777U));
  if (!created(file.get(), "file", entry)) return false;
  const std::string& path = entry.path.str();
  write_contents(file.get(), entry, contents);
  fit_owner_and_mode(file.get(), path, entry.uid, entry.gid, entry.mode);
  // After the owner, which clears capabilities; and the time after all.
  apply_xattrs(dir_fd, name, path, entry.xattrs);
  set_time(file.get(), path, entry.mtime);
  return true;
}

void ObjectWriter::create_whiteout(int dir_fd, const std::string& name) {
  if (format_.is_aufs()) return create_marker(dir_fd, encode_whiteout_name(name));
  if (::mknodat(dir_fd, name.c_str(), S_IFCHR, makedev(0, 0)) != 0) {
    const int err = errno;
    fail_errno(err, "creating a whiteout of {}", quoted(name));
  }
}

void ObjectWriter::write_contents(int fd, const Entry& entry, ByteSource& contents) {
  std::uint64_t total = 0;
  bool ends_in_hole = false;
  for (;;) {
    const std::size_t got = read_full(contents, buffer_);
    total += got;
    if (total > entry.size) break;
    if (got > 0) ends_in_hole = write_sparsely(fd, entry.path.str(), got);
    if (got < buffer_.size()) break;
    context_.check_interrupted();
  }
  if (total != entry.size) {
    fail(Errc::Integrity, "writing {}: its contents are {} than the {} bytes announced",
         quoted(entry.path.str()), total > entry.size ? "longer" : "shorter", entry.size);
  }
  if (ends_in_hole && ::ftruncate(fd, static_cast<off_t>(total)) != 0) {
    const int err = errno;
    fail_errno(err, "setting the size of {}", quoted(entry.path.str()));
  }
}

/// Writes the first `size` bytes of the buffer; blocks of zeros become holes. True when the last
/// is one: the file is shorter than it should be.
bool ObjectWriter::write_sparsely(int fd, const std::string& path, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(buffer_.data()), size);
  std::size_t at = 0;
  std::size_t data_end = 0;
  while (at < size) {
    data_end = at;
    while (data_end < size && !is_zero(bytes.substr(data_end, kBlock))) {
      data_end = std::min(data_end + kBlock, size);
    }
    write_all(fd, bytes.substr(at, data_end - at), path);
    at = data_end;
    while (at < size && is_zero(bytes.substr(at, kBlock)))
      at = std::min(at + kBlock, size);
    if (at > data_end && ::lseek(fd, static_cast<off_t>(at - data_end), SEEK_CUR) < 0) {
      const int err = errno;
      fail_errno(err, "writing {}", quoted(path));
    }
  }
  return at > data_end;
}

void ObjectWriter::apply_to_name(int dir_fd, const std::string& name, const Entry& entry) {
  const std::string& path = entry.path.str();
  if (::fchownat(dir_fd, name.c_str(), entry.uid, entry.gid, AT_SYMLINK_NOFOLLOW) != 0) {
    const int err = errno;
    fail_errno(err, "setting the owner of {} to {}:{}", quoted(path), entry.uid, entry.gid);
  }
  // A symlink has no mode of its own on Linux.
  if (entry.type != FileType::Symlink &&
      ::fchmodat(dir_fd, name.c_str(), entry.mode, AT_SYMLINK_NOFOLLOW) != 0) {
    const int err = errno;
    fail_errno(err, "setting the mode of {}", quoted(path));
  }
  apply_xattrs(dir_fd, name, path, entry.xattrs);
  set_time_of_name(dir_fd, name, entry);
}

void ObjectWriter::apply_xattrs(int dir_fd,
                                const std::string& name,
                                const std::string& path,
                                const Xattrs& all) {
  for (const auto& [key, value] : all) {
    try {
      set_xattr_at(dir_fd, name, stored_xattr_name(key, format_), value);
    } catch (Error& error) {
      // user.* is refused on symlinks and devices (EPERM, xattr(7)) and absent from some file
      // systems. Anything else (capabilities, ACLs) says what a program may do: never dropped.
      const bool unsupported = error.sys_errno() == EOPNOTSUPP || error.sys_errno() == EPERM;
      if (!unsupported || !key.starts_with("user.")) {
        error.add_context(quoted(path));
        throw;
      }
      lost_xattrs_.add(fmt::format("{} of {}", key, path));
    }
  }
}

void ObjectWriter::set_time(int fd, const std::string& path, Timestamp mtime) {
  if (::futimens(fd, times_of(mtime).data()) != 0) {
    const int err = errno;
    fail_errno(err, "setting the time of {}", quoted(path));
  }
  if (may_not_fit(mtime) && stat_fd(fd).mtime != mtime) moved_times_.add(path);
}

void ObjectWriter::set_time_of_name(int dir_fd, const std::string& name, const Entry& entry) {
  const auto times = times_of(entry.mtime);
  if (::utimensat(dir_fd, name.c_str(), times.data(), AT_SYMLINK_NOFOLLOW) != 0) {
    const int err = errno;
    fail_errno(err, "setting the time of {}", quoted(entry.path.str()));
  }
  if (!may_not_fit(entry.mtime)) return;
  const auto now = stat_at(dir_fd, name);
  if (now && now->mtime != entry.mtime) moved_times_.add(entry.path.str());
}

void ObjectWriter::finish_directory(int fd,
                                    const std::string& path,
                                    const DirAttributes& attributes) {
  fit_owner_and_mode(fd, path, attributes.uid, attributes.gid, attributes.mode);
  apply_xattrs(fd, ".", path, attributes.xattrs);
  set_time(fd, path, attributes.mtime);
}

void ObjectWriter::mark_opaque(int fd) {
  if (format_.is_aufs()) return create_marker(fd, std::string(kOpaqueName));
  set_xattr_at(fd, ".", private_overlay_xattr(format_.overlay_xattrs(), "opaque"), "y");
}

void ObjectWriter::neutralize_root(int fd) {
  change_mode(fd, "/", S_IRWXU);
  for (const char* acl : {"system.posix_acl_default", "system.posix_acl_access"}) {
    if (::fremovexattr(fd, acl) == 0) continue;
    const int err = errno;
    if (err != ENODATA && err != EOPNOTSUPP) {
      fail_errno(err, "removing the access control list of the diff directory");
    }
  }
}

void ObjectWriter::update_linked(int dir_fd,
                                 const std::string& name,
                                 const Entry& entry,
                                 const FileStat& now) {
  Entry header = entry;
  header.type = now.type;
  const bool changes_owner = now.uid != entry.uid || now.gid != entry.gid;
  if (changes_owner && now.type == FileType::Regular) {
    if (auto capability = read_xattr_at(dir_fd, name, kCapability)) {
      header.xattrs.emplace(kCapability, std::move(*capability));
    }
  }
  apply_to_name(dir_fd, name, header);
}

void ObjectWriter::report() const {
  lost_xattrs_.report(context_);
  lost_devices_.report(context_);
  moved_times_.report(context_);
}

}  // namespace layerkit
