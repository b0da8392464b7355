#include <sys/xattr.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>

#include "copy_xattrs.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"

namespace layerkit {
namespace {

/// XATTR_SIZE_MAX and XATTR_LIST_MAX of the kernel.
constexpr std::size_t kMaxBytes = 65536;

/// By the descriptor, so that no name is followed again; the f*xattr calls do not take O_PATH.
std::string path_of(int fd) {
  return fmt::format("/proc/self/fd/{}", fd);
}

bool means_none(int err) {
  return err == ENODATA || err == EOPNOTSUPP || err == ENOSYS;
}

std::string list_names(int fd) {
  std::string names(kMaxBytes, '\0');
  const ssize_t got = ::listxattr(path_of(fd).c_str(), names.data(), names.size());
  const int err = errno;
  if (got < 0 && !means_none(err)) fail_errno(err, "listing extended attributes");
  names.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
  return names;
}

}  // namespace

bool is_copied_xattr(std::string_view name, bool with_owners) noexcept {
  constexpr std::array<std::string_view, 3> kRights = {
      "security.capability", "system.posix_acl_access", "system.posix_acl_default"};
  if (std::ranges::find(kRights, name) != kRights.end()) return with_owners;
  return name.starts_with("user.") && !name.starts_with("user.overlay.");
}

Xattrs read_copied_xattrs(int fd, bool with_owners) {
  Xattrs xattrs;
  const std::string names = list_names(fd);
  for (const std::string_view name : split(names, '\0')) {
    if (!is_copied_xattr(name, with_owners)) continue;
    std::string value(kMaxBytes, '\0');
    const std::string key(name);
    const ssize_t got = ::getxattr(path_of(fd).c_str(), key.c_str(), value.data(), value.size());
    const int err = errno;
    if (got < 0 && means_none(err)) continue;  // it has just gone
    if (got < 0) fail_errno(err, "reading extended attribute {}", quoted(name));
    value.resize(static_cast<std::size_t>(got));
    xattrs.emplace(key, std::move(value));
  }
  return xattrs;
}

bool set_copied_xattrs(int fd, const Xattrs& xattrs, bool with_owners) {
  bool all_set = true;
  for (const auto& [name, value] : xattrs) {
    if (!is_copied_xattr(name, with_owners)) continue;
    if (::setxattr(path_of(fd).c_str(), name.c_str(), value.data(), value.size(), 0) == 0) continue;
    const int err = errno;
    // EINVAL: an ACL that makes no sense here.
    if (err != EOPNOTSUPP && err != EPERM && err != EINVAL)
      fail_errno(err, "setting extended attribute {}", quoted(name));
    all_set = false;
  }
  return all_set;
}

}  // namespace layerkit
