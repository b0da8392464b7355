#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "copy_attributes.h"
#include "file_at.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "layerkit/base/whiteout.h"

namespace layerkit {
namespace {

bool may_be_lost(const BranchAttributes& attributes, std::string_view key) {
  if (attributes.ignore_xattr_errors) return true;
  if (key.starts_with("security.")) return attributes.ignore_security_xattr_errors;
  if (key.starts_with("system.")) return attributes.ignore_system_xattr_errors;
  if (key.starts_with("trusted.")) return attributes.ignore_trusted_xattr_errors;
  if (key.starts_with("user.")) return attributes.ignore_user_xattr_errors;
  return attributes.ignore_other_xattr_errors;
}

std::string list_names(const std::string& path) {
  std::string names(256, '\0');
  for (;;) {
    const ssize_t got = ::listxattr(path.c_str(), names.data(), names.size());
    if (got >= 0) {
      names.resize(static_cast<std::size_t>(got));
      return names;
    }
    if (errno != ERANGE) return {};  // the file system has none
    const ssize_t needed = ::listxattr(path.c_str(), nullptr, 0);
    if (needed < 0) return {};
    names.resize(static_cast<std::size_t>(needed));
  }
}

void copy_xattrs(int from, const LiveBranch& branch, int to) {
  const std::string source = proc_name(from, "");
  const std::string copy = proc_name(to, "");
  const std::string names = list_names(source);
  for (std::size_t at = 0; at < names.size();) {
    const std::string key = names.c_str() + at;
    at += key.size() + 1;
    if (decode_overlay_xattr(key).is_private) continue;
    std::string value;
    int err = get_xattr(from, "", key.c_str(), value);
    if (err == 0 && ::setxattr(copy.c_str(), key.c_str(), value.data(), value.size(), 0) != 0)
      err = errno;
    // A label is the policy's to give, not the file's to carry.
    const bool is_label = key == "security.selinux";
    if (err == 0 || err == ENODATA || is_label || may_be_lost(branch.attributes, key)) continue;
    fail_errno(err, "copying the extended attribute {}", quoted(key));
  }
}

/// Copies one range that holds data.
void copy_range(int from, int to, off_t at, off_t end) {
  bool in_kernel = true;
  std::vector<char> buffer;
  while (at < end) {
    const auto want = static_cast<std::size_t>(std::min<off_t>(end - at, off_t{1} << 30));
    off_t in = at;
    off_t out = at;
    ssize_t got = in_kernel ? ::copy_file_range(from, &in, to, &out, want, 0) : -1;
    if (in_kernel && got < 0) {
      const int err = errno;
      if (err == ENOSPC || err == EIO || err == EDQUOT || err == EFBIG)
        fail_errno(err, "copying a file's data");
      in_kernel = false;
      buffer.resize(std::size_t{1} << 17);
    }
    if (!in_kernel) {
      got = ::pread(from, buffer.data(), std::min(want, buffer.size()), at);
      for (ssize_t written = 0; written < got;) {
        const ssize_t put = ::pwrite(to, buffer.data() + written,
                                     static_cast<std::size_t>(got - written), at + written);
        if (put <= 0) {
          got = -1;
          break;
        }
        written += put;
      }
      if (got < 0) {
        const int err = errno;
        fail_errno(err, "copying a file's data");
      }
    }
    if (got == 0) return;  // shorter than it was
    at += got;
  }
}

}  // namespace

void copy_attributes(int from,
                     const struct stat& stat,
                     const LiveBranch& branch,
                     int to,
                     const CopyAttributesOptions& options) {
  keep_setid_bits(true);
  // The owner first: changing it clears setuid bits and capabilities.
  if (options.owners) set_owner(to, stat.st_uid, stat.st_gid);
  copy_xattrs(from, branch, to);
  if (!S_ISLNK(stat.st_mode)) set_mode(to, stat.st_mode & 07777);
  set_times(to, stat.st_atim, stat.st_mtim);
}

void copy_data(int from, int to, off_t size) {
  struct stat stat = stat_open(from);
  if (size >= stat.st_size && ::ioctl(to, FICLONE, from) == 0) return;
  size = std::min(size, stat.st_size);
  if (::ftruncate(to, size) != 0) {
    const int err = errno;
    fail_errno(err, "making room for a file's data");
  }
  for (off_t at = 0; at < size;) {
    const off_t data = ::lseek(from, at, SEEK_DATA);
    if (data < 0 && errno == ENXIO) return;  // the rest is a hole
    const off_t start = data < 0 ? at : data;
    const off_t hole = data < 0 ? size : ::lseek(from, start, SEEK_HOLE);
    const off_t end = hole < 0 ? size : std::min(hole, size);
    copy_range(from, to, start, end);
    at = end;
  }
}

}  // namespace layerkit
