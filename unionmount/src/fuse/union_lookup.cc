#include <dirent.h>
#include <fcntl.h>

#include <cerrno>

#include "file_at.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "layerkit/base/whiteout.h"
#include "union_fs.h"
#include "whiteouts.h"

namespace layerkit {
namespace {

constexpr std::size_t kNameMax = 255;

std::uint64_t mixed(std::uint64_t hash, const LiveBranch& branch, std::uint64_t ino) noexcept {
  const auto id = static_cast<std::uint64_t>(branch.id) + 1;
  return (hash ^ (ino + (id << 48))) * 0x9E3779B97F4A7C15U;
}

}  // namespace

void UnionFs::check_name(const std::string& name) const {
  if (name.size() > kNameMax) fail_errno(ENAMETOOLONG, "looking at {}", quoted(name));
  if (reads_whiteout_names_ && !settings_.show_whiteouts && name.starts_with(kWhiteoutPrefix))
    fail_errno(EPERM, "looking at {}, a name of the union's own", quoted(name));
}

/// Adds what one branch says to `found`; false when nothing below counts.
bool UnionFs::find_part(Found& found,
                        const Node& parent,
                        std::size_t part,
                        const std::string& name) {
  LiveBranch& branch = *parent.parts[part];
  const bool is_last = part + 1 == parent.parts.size();
  const DirectoryFds::Ref dir = fds_.of(parent, branch);
  struct stat stat = {};
  const int err = stat_name(dir->get(), name, stat);
  if (err != 0 && err != ENOENT && err != ENAMETOOLONG)
    fail_errno(err, "looking up {}", quoted(name));
  if (err != 0) {
    // The bottom's whiteouts hide nothing; on a writable one a new object takes their place.
    const bool may_matter = !is_last || branch.writable();
    const bool is_hidden =
        may_matter && branch.reads_whiteout_names() && has_whiteout_name(dir->get(), name);
    if (is_hidden && !found.exists()) {
      found.whiteout = &branch;
      found.is_hidden_by_name = true;
    }
    return !is_hidden;
  }
  if (is_whiteout_device(branch, stat)) {
    if (!found.exists()) found.whiteout = &branch;
    return false;
  }
  if (branch.index + 1 < branches_.size()) check_is_in_place(branch, dir->get(), name, stat);
  if (!found.exists()) {
    found.stat = stat;
  } else if (!S_ISDIR(stat.st_mode)) {
    // Below a directory AUFS passes over other things, overlayfs ends with them.
    return format_ == WhiteoutFormat::Aufs;
  }
  found.parts.push_back(&branch);
  if (!S_ISDIR(stat.st_mode)) {
    found.number = numbers_.number(branch, stat.st_ino);
    return false;
  }
  // The lowest part is the one that stays when a directory is copied up.
  found.number = numbers_.number(branch, stat.st_ino);
  found.signature = mixed(found.signature, branch, stat.st_ino);
  if (is_last) return false;
  // A name beside its own whiteout is what a crash left of a step that had not ended.
  return !is_opaque(branch, dir->get(), name) &&
         !(branch.reads_whiteout_names() && has_whiteout_name(dir->get(), name));
}

void UnionFs::find_pseudo_link(Found& found) {
  LiveBranch& branch = found.top();
  if (const auto kept = branch.writable() ? numbers_.kept(branch, found.stat.st_ino)
                                          : std::optional<InodeNumbers::Kept>{}) {
    found.missing_links = kept->missing_links;
    const auto own = pseudo_links_.find(kept->number);
    if (own && own->branch == &branch && own->ino == found.stat.st_ino) found.link = own->name;
    return;
  }
  if (found.stat.st_nlink < 2 || pseudo_links_.empty()) return;
  const auto link = pseudo_links_.find(found.number);
  if (!link || link->branch->index >= branch.index) return;
  struct stat stat = {};
  if (stat_name(link->branch->area->links(), link->name, stat) != 0) return;
  if (const auto kept = numbers_.kept(*link->branch, stat.st_ino))
    found.missing_links = kept->missing_links;
  found.parts.assign(1, link->branch);
  found.stat = stat;
  found.link = link->name;
  found.is_by_link = true;
}

UnionFs::Found UnionFs::find(const Node& parent, const std::string& name) {
  Found found;
  for (std::size_t part = 0; part < parent.parts.size(); ++part)
    if (!find_part(found, parent, part, name)) break;
  if (found.exists() && !found.is_directory()) find_pseudo_link(found);
  return found;
}

bool UnionFs::exists_below(const Node& parent, const LiveBranch& branch, const std::string& name) {
  for (LiveBranch* part : parent.parts) {
    if (part->index <= branch.index) continue;
    const DirectoryFds::Ref dir = fds_.of(parent, *part);
    struct stat stat = {};
    const int err = stat_name(dir->get(), name, stat);
    if (err == 0) return !is_whiteout_device(*part, stat);
    if (part->reads_whiteout_names() && has_whiteout_name(dir->get(), name)) return false;
  }
  return false;
}

struct stat UnionFs::shown(const Node& node, struct stat stat) const {
  stat.st_ino = node.number;
  stat.st_uid = settings_.users.shown(stat.st_uid);
  stat.st_gid = settings_.groups.shown(stat.st_gid);
  if (node.is_directory()) {
    if (settings_.static_links) stat.st_nlink = 1;
    return stat;
  }
  auto links = static_cast<std::int64_t>(stat.st_nlink);
  if (InodeNumbers::is_known(node.missing_links)) links += node.missing_links;
  links -= node.has_pseudo_link ? 1 : 0;
  links -= node.removed_links;
  stat.st_nlink = static_cast<nlink_t>(std::max<std::int64_t>(links, 0));
  return stat;
}

NodeReply UnionFs::enter(Node& parent, const std::string& name, const Found& found) {
  const NodeTable::Seen seen = {.type = found.stat.st_mode & S_IFMT,
                                .number = found.number,
                                .parts = found.parts,
                                .ino = found.is_directory() ? found.signature : found.stat.st_ino,
                                .name = {&parent, name, found.is_by_link ? nullptr : &found.top()},
                                .link = found.link,
                                .missing_links = found.missing_links};
  Node& node = nodes_.enter(seen);
  return {&node, shown(node, found.stat)};
}

NodeReply UnionFs::with_links(NodeReply reply) {
  if (reply.node->is_directory() && reply.node->parts.size() > 1 && !settings_.static_links)
    reply.stat.st_nlink = merged_links(*reply.node);
  return reply;
}

/// REQUIRES: the tree lock.
std::nullopt_t UnionFs::absent_in(Node& parent) const noexcept {
  if (may_be_cached()) parent.lacks_names = true;
  return std::nullopt;
}

std::optional<NodeReply> UnionFs::lookup(Node& parent, const std::string& name) {
  check_name(name);
  {
    const std::shared_lock tree(tree_);
    const Found found = find(parent, name);
    if (!found.exists()) return absent_in(parent);
    const NodeReply reply = enter(parent, name, found);
    Node& node = *reply.node;
    const bool is_as_known =
        !node.is_directory() || (node.parts == found.parts && node.ino == found.signature);
    if (is_as_known) {
      if (node.is_directory()) watch_parts(node);
      return with_links(reply);
    }
    nodes_.forget(node, 1);
  }
  // The branches hold another directory, or on more or fewer branches, than was known.
  const std::unique_lock tree(tree_);
  const Found found = find(parent, name);
  if (!found.exists()) return absent_in(parent);
  const NodeReply reply = enter(parent, name, found);
  Node& node = *reply.node;
  if (node.is_directory()) {
    fds_.drop(node);
    node.parts = found.parts;
    node.ino = found.signature;
    watch_parts(node);
  }
  return with_links(reply);
}

struct stat UnionFs::real_stat(Node& node) {
  struct stat stat = {};
  if (node.is_directory()) {
    if (node.held) return stat_open(node.held->get());
    if (node.parts.empty()) fail_errno(ESTALE, "looking at a directory that is gone");
    stat = stat_open(fds_.of(node, node.top())->get());
    if (node.parts.size() > 1) stat.st_nlink = merged_links(node);
    return stat;
  }
  NodeName name;
  if (nodes_.reachable_name(node, name)) {
    const DirectoryFds::Ref dir =
        name.parent != nullptr ? fds_.of(*name.parent, *name.on) : nullptr;
    const int err = stat_name(dir ? dir->get() : name.on->area->links(), name.name, stat);
    if (err == 0) return stat;
    if (err != ENOENT) fail_errno(err, "looking at {}", quoted(name.name));
  }
  return stat_open(open_nameless(node, O_PATH).get());
}

struct stat UnionFs::attributes(Node& node) {
  const std::shared_lock tree(tree_);
  return shown(node, real_stat(node));
}

}  // namespace layerkit
