#include <fcntl.h>
#include <sys/xattr.h>

#include <cerrno>

#include "file_at.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "layerkit/base/whiteout.h"
#include "union_fs.h"

namespace layerkit {
namespace {

/// What fuse-overlayfs notes beside the whiteouts that it writes.
constexpr std::string_view kFuseOverlayPrefix = "user.fuseoverlayfs.";
constexpr std::string_view kAclPrefix = "system.posix_acl_";

}  // namespace

// Overlay's private attributes of a branch are not the object's; those of the same name that a
// process sets are kept under an escaped one, as overlayfs does.

bool UnionFs::has_xattr(std::string_view key) const noexcept {
  return settings_.xattrs && (has_acls() || !key.starts_with(kAclPrefix));
}

int UnionFs::get_xattr(Node& node, const std::string& key, std::string& value) {
  if (!has_xattr(key)) return EOPNOTSUPP;
  const bool is_acl = key.starts_with(kAclPrefix);
  const int err = stored_xattr(node, key, value);
  // A file system that has no ACLs has none on this object: the kernel would take "not supported"
  // for a failure to check permissions.
  return err == EOPNOTSUPP && is_acl ? ENODATA : err;
}

int UnionFs::stored_xattr(Node& node, const std::string& key, std::string& value) {
  const std::shared_lock tree(tree_);
  const std::string stored = escape_overlay_xattr(key);
  NodeName name;
  if (!node.is_directory() && nodes_.reachable_name(node, name) && name.parent != nullptr) {
    const DirectoryFds::Ref dir = fds_.of(*name.parent, *name.on);
    return layerkit::get_xattr(dir->get(), name.name, stored.c_str(), value);
  }
  if (node.is_directory() && !node.parts.empty())
    return layerkit::get_xattr(fds_.of(node, node.top())->get(), "", stored.c_str(), value);
  return layerkit::get_xattr(open_node(node).get(), "", stored.c_str(), value);
}

int UnionFs::list_xattrs(Node& node, std::string& names) {
  const std::shared_lock tree(tree_);
  const Fd object = open_node(node);
  const std::string path = proc_name(object.get(), "");
  std::string stored(256, '\0');
  for (;;) {
    const ssize_t got = ::listxattr(path.c_str(), stored.data(), stored.size());
    const int err = errno;
    if (got >= 0) {
      stored.resize(static_cast<std::size_t>(got));
      break;
    }
    if (err != ERANGE) return err;
    stored.resize(stored.size() * 4);
  }
  for (std::size_t at = 0; at < stored.size();) {
    const std::string key = stored.c_str() + at;
    at += key.size() + 1;
    const OverlayXattr shown = decode_overlay_xattr(key);
    if (shown.is_private || shown.name.starts_with(kFuseOverlayPrefix)) continue;
    if (!has_xattr(shown.name)) continue;
    if (&node == &root() && shown.name == kBranchesXattr) continue;
    names += shown.name;
    names += '\0';
  }
  return 0;
}

void UnionFs::set_xattr(
    Node& node, const std::string& key, std::string_view value, int flags, bool kills_setid_bits) {
  if (!has_xattr(key)) fail_errno(EOPNOTSUPP, "setting extended attribute {}", quoted(key));
  copy_up(node);
  const std::shared_lock tree(tree_);
  const Fd object = open_node(node);
  keep_setid_bits(!kills_setid_bits);
  if (::setxattr(proc_name(object.get(), "").c_str(), escape_overlay_xattr(key).c_str(),
                 value.data(), value.size(), flags) == 0)
    return;
  const int err = errno;
  fail_errno(err, "setting extended attribute {}", quoted(key));
}

void UnionFs::remove_xattr(Node& node, const std::string& key) {
  std::string value;
  // What is not there is no reason to copy a file.
  if (const int err = get_xattr(node, key, value); err != 0)
    fail_errno(err, "removing extended attribute {}", quoted(key));
  copy_up(node);
  const std::shared_lock tree(tree_);
  const Fd object = open_node(node);
  if (::removexattr(proc_name(object.get(), "").c_str(), escape_overlay_xattr(key).c_str()) == 0)
    return;
  const int err = errno;
  fail_errno(err, "removing extended attribute {}", quoted(key));
}

}  // namespace layerkit
