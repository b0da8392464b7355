#include <fcntl.h>
#include <sys/xattr.h>

#include <vector>

#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"

namespace layerkit {
namespace {

/// A path that names `name` in `dir_fd` for the l*xattr calls, which have no *at form before 6.13.
std::string proc_path(int dir_fd, const std::string& name) {
  if (dir_fd == AT_FDCWD) return name;
  return fmt::format("/proc/self/fd/{}/{}", dir_fd, name);
}

/// Calls `read(buffer, size)` with a growing buffer until the answer fits; nullopt when it fails
/// with one of the errnos that mean "there is none".
template <typename Read>
std::optional<std::string> read_growing(const std::string& name, Read&& read) {
  std::string buffer(1024, '\0');
  for (;;) {
    const ssize_t got = read(buffer.data(), buffer.size());
    const int err = errno;
    if (got >= 0) {
      buffer.resize(static_cast<std::size_t>(got));
      return buffer;
    }
    if (err == ENODATA || err == EOPNOTSUPP) return std::nullopt;
    if (err != ERANGE) fail_errno(err, "reading extended attributes of {}", quoted(name));
    const ssize_t needed = read(nullptr, 0);
    buffer.resize(std::max(needed > 0 ? static_cast<std::size_t>(needed) : 0, buffer.size() * 2));
  }
}

}  // namespace

std::optional<std::string> read_xattr_at(int dir_fd,
                                         const std::string& name,
                                         const std::string& key) {
  const std::string path = proc_path(dir_fd, name);
  return read_growing(name, [&](char* buffer, std::size_t size) {
    return ::lgetxattr(path.c_str(), key.c_str(), buffer, size);
  });
}

Xattrs read_xattrs_at(int dir_fd, const std::string& name) {
  const std::string path = proc_path(dir_fd, name);
  const auto keys = read_growing(name, [&](char* buffer, std::size_t size) {
    return ::llistxattr(path.c_str(), buffer, size);
  });
  Xattrs xattrs;
  if (!keys || keys->empty()) return xattrs;
  for (const std::string_view key :
       split(std::string_view(*keys).substr(0, keys->size() - 1), '\0')) {
    if (auto value = read_xattr_at(dir_fd, name, std::string(key))) {
      xattrs.emplace(key, std::move(*value));
    }
  }
  return xattrs;
}

void set_xattr_at(int dir_fd,
                  const std::string& name,
                  const std::string& key,
                  std::string_view value) {
  const std::string path = proc_path(dir_fd, name);
  if (::lsetxattr(path.c_str(), key.c_str(), value.data(), value.size(), 0) != 0) {
    const int err = errno;
    fail_errno(err, "setting extended attribute {} of {}", quoted(key), quoted(name));
  }
}

}  // namespace layerkit
