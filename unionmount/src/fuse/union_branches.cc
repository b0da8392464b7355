#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "file_at.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "layerkit/unionmount/mount_options.h"
#include "union_fs.h"

namespace layerkit {
namespace {

std::size_t depth_of(const Node& directory) {
  std::size_t depth = 0;
  for (const Node* at = &directory; at != nullptr && !at->names.empty();
       at = at->names.front().parent)
    ++depth;
  return depth;
}

}  // namespace

void UnionFs::prepare_branch(LiveBranch& branch) {
  branch.id = next_branch_id_++;
  branch.file_system = numbers_.file_system(branch.device);
  open_tables(branch);
}

void UnionFs::open_tables(const LiveBranch& branch) {
  if (!branch.writable() || branch.area == nullptr) return;
  if (settings_.inode_table) numbers_.open_table(branch);
  if (!settings_.pseudo_links) return;
  pseudo_links_.open(const_cast<LiveBranch&>(branch));
  settle_links(branch);
}

/// What a crash left open of files with several names.
void UnionFs::settle_links(const LiveBranch& branch) {
  for (const std::uint64_t ino : numbers_.awaiting(branch)) {
    InodeNumbers::Kept kept = numbers_.kept(branch, ino).value_or(InodeNumbers::Kept{});
    const std::string link = PseudoLinks::name_of(kept.number, ino);
    struct stat stat = {};
    if (stat_name(branch.area->links(), link, stat) != 0 || stat.st_ino != ino) {
      numbers_.forget(branch, ino);  // the copy went with the staging directory
      continue;
    }
    kept.awaits_name = false;
    // Beside its pseudo-link it has a name if it got it.
    if (stat.st_nlink > 1 && kept.missing_links > 0) --kept.missing_links;
    numbers_.keep(branch, ino, kept);
  }
  // Without its record nobody knows when the last name goes: the link stays then.
  for (const auto& [number, link] : pseudo_links_.on(branch))
    if (!numbers_.kept(branch, link.ino))
      numbers_.keep(branch, link.ino, {number, InodeNumbers::kUnknownLinks});
}

void UnionFs::renumber() {
  reads_whiteout_names_ = false;
  some_fail_at_close_ = false;
  for (std::size_t i = 0; i < branches_.size(); ++i) {
    branches_[i]->index = i;
    reads_whiteout_names_ = reads_whiteout_names_ || branches_[i]->reads_whiteout_names();
    some_fail_at_close_ =
        some_fail_at_close_ || (branches_[i]->writable() && branches_[i]->fails_at_close);
  }
}

LiveBranch* UnionFs::branch_by_path(const std::string& path) {
  for (const auto& branch : branches_)
    if (branch->path == path) return branch.get();
  return nullptr;
}

std::vector<BranchState> UnionFs::branch_states() {
  const std::shared_lock tree(tree_);
  std::vector<BranchState> states;
  for (const auto& branch : branches_)
    states.push_back(
        {branch->path, format_permission(branch->access, branch->attributes), branch->id});
  return states;
}

std::vector<Branch> UnionFs::opened_branches() {
  const std::shared_lock tree(tree_);
  std::vector<Branch> opened;
  for (const auto& branch : branches_)
    opened.push_back({.directory = branch->root.duplicate(), .path = branch->path});
  return opened;
}

/// Names that are in the directory and that the kernel may remember as absent.
void UnionFs::add_appeared(Outdated& outdated, Node& directory) {
  if (!directory.lacks_names || directory.parts.empty()) return;
  MergedList list;
  try {
    list = read_list(directory);
  } catch (const Error&) {
    return;  // whoever lists it is told why
  }
  for (std::size_t i = 0; i < list.size(); ++i)
    if (nodes_.find(directory, list.name(i)) == nullptr)
      outdated.names.push_back({&directory, std::string(list.name(i))});
}

/// REQUIRES: the exclusive tree lock.
UnionFs::Outdated UnionFs::refresh() {
  renumber();
  shared_files_.clear();
  shared_lists_.clear();
  nodes_.root().parts.clear();
  for (const auto& branch : branches_)
    nodes_.root().parts.push_back(branch.get());

  struct Known {
    std::size_t depth;
    Node* parent;
    std::string name;
    Node* node;
  };
  std::vector<Known> known;
  nodes_.for_each([&](const NodeName& name, Node& node) {
    known.push_back({depth_of(*name.parent), name.parent, name.name, &node});
  });
  // Parents first: what lies in them depends on where they are.
  std::sort(known.begin(), known.end(),
            [](const Known& a, const Known& b) { return a.depth < b.depth; });
  Outdated outdated;
  const auto add_directory = [&](Node& directory) {
    changed(directory, true);
    outdated.directories.push_back(&directory);
    add_appeared(outdated, directory);
  };
  for (const Known& item : known) {
    if (!refresh_name(*item.parent, item.name, *item.node))
      outdated.names.push_back({item.parent, item.name});
    if (item.node->is_directory()) add_directory(*item.node);
  }
  add_directory(nodes_.root());
  return outdated;
}

/// False when another object, or none, has the name now.
/// REQUIRES: the exclusive tree lock.
bool UnionFs::refresh_name(Node& parent, const std::string& name, Node& node) {
  Found found;
  try {
    if (!parent.parts.empty()) found = find(parent, name);
  } catch (const Error&) {
    found = {};  // whoever looks the name up is told why
  }
  if (node.is_directory() && found.is_directory()) {
    if (node.parts == found.parts && node.ino == found.signature) return true;
    fds_.drop(node);
    node.parts = found.parts;
    node.ino = found.signature;
    watch_parts(node);
    return true;
  }
  const bool is_same = !node.is_directory() && found.exists() && !found.is_directory() &&
                       &node.top() == &found.top() && node.ino == found.stat.st_ino;
  if (is_same) return true;
  // Whoever uses this object keeps it.
  if (node.is_directory()) {
    if (!node.parts.empty()) retire_directory(node, fds_.if_open(node, node.top()));
  } else {
    nodes_.detach_file(node);
  }
  nodes_.remove_name(node, &parent, name);
  return false;
}

UnionFs::Outdated UnionFs::others_changed(const Node& directory, const std::string& name) {
  const std::unique_lock tree(tree_);
  // Whoever is watched is alive.
  Node* parent = watch_ != nullptr ? watch_->watched(directory) : nullptr;
  if (parent == nullptr) return {};
  Outdated outdated;
  outdated.directories.push_back(parent);
  Node* node = nodes_.find(*parent, name);
  if (node == nullptr || !refresh_name(*parent, name, *node))
    outdated.names.push_back({parent, name});
  else
    (node->is_directory() ? outdated.directories : outdated.files).push_back(node);
  return outdated;
}

/// All that the kernel knows by name.
void UnionFs::add_known(Outdated& outdated) {
  nodes_.for_each([&](const NodeName& name, Node& node) {
    outdated.names.push_back({name.parent, name.name});
    (node.is_directory() ? outdated.directories : outdated.files).push_back(&node);
  });
  outdated.directories.push_back(&nodes_.root());
}

UnionFs::Outdated UnionFs::others_changed_anything() {
  const std::unique_lock tree(tree_);
  Outdated outdated = refresh();
  nodes_.for_each([&](const NodeName&, Node& node) {
    if (!node.is_directory()) outdated.files.push_back(&node);
  });
  return outdated;
}

UnionFs::Outdated UnionFs::insert_branch(int index, std::unique_ptr<LiveBranch> branch) {
  const std::unique_lock tree(tree_);
  if (branch_by_path(branch->path) != nullptr) return {};
  const auto count = static_cast<int>(branches_.size());
  if (index < -1 || index > count)
    fail(Errc::Invalid, "there is no place {} among {} branches", index, count);
  prepare_branch(*branch);
  branches_.insert(index < 0 ? branches_.end() : branches_.begin() + index, std::move(branch));
  return refresh();
}

bool UnionFs::is_in_use(const LiveBranch& branch) {
  bool is_used = false;
  nodes_.for_each([&](const NodeName&, Node& node) {
    is_used = is_used || (!node.handles.empty() && &node.top() == &branch);
  });
  return is_used;
}

UnionFs::Outdated UnionFs::delete_branch(const std::string& path) {
  const std::unique_lock tree(tree_);
  LiveBranch* branch = branch_by_path(path);
  if (branch == nullptr) return {};
  if (branches_.size() == 1) fail(Errc::Invalid, "{} is the last branch", quoted(path));
  if (is_in_use(*branch)) fail_errno(EBUSY, "deleting the branch {}", quoted(path));
  const auto place =
      std::find_if(branches_.begin(), branches_.end(),
                   [&](const std::unique_ptr<LiveBranch>& item) { return item.get() == branch; });
  // Nodes that nobody can reach by name any more may still point to it.
  deleted_.push_back(std::move(*place));
  branches_.erase(place);
  Outdated outdated = refresh();
  fds_.drop(*branch);
  numbers_.close_table(*branch);
  pseudo_links_.close(*branch);
  branch->area.reset();
  branch->root.reset();
  branch->access = BranchAccess::ReadOnly;
  return outdated;
}

UnionFs::Outdated UnionFs::modify_branch(const std::string& path,
                                         BranchAccess access,
                                         const BranchAttributes& attributes,
                                         std::unique_ptr<PrivateArea> area) {
  const std::unique_lock tree(tree_);
  LiveBranch* branch = branch_by_path(path);
  if (branch == nullptr) fail(Errc::NotFound, "{} is no branch", quoted(path));
  const bool was_writable = branch->writable();
  if (was_writable && access != BranchAccess::ReadWrite) {
    bool is_written = false;
    nodes_.for_each([&](const NodeName&, Node& node) {
      for (const FileHandle* handle : node.handles)
        is_written =
            is_written || (handle->branch == branch && (handle->flags & O_ACCMODE) != O_RDONLY);
    });
    if (is_written)
      fail_errno(EBUSY, "making the branch {} read-only while it is written to", quoted(path));
    numbers_.close_table(*branch);
    pseudo_links_.close(*branch);
    branch->area.reset();
  }
  branch->access = access;
  branch->attributes = attributes;
  if (!was_writable && branch->writable()) {
    branch->area = std::move(area);
    open_tables(*branch);
  }
  return refresh();
}

std::unique_ptr<PrivateArea> UnionFs::open_area_for(const std::string& path,
                                                    const BranchAttributes& attributes) {
  const std::shared_lock tree(tree_);
  const LiveBranch* branch = branch_by_path(path);
  if (branch == nullptr) fail(Errc::NotFound, "{} is no branch", quoted(path));
  if (branch->writable()) return nullptr;
  if (format_ != WhiteoutFormat::Aufs)
    fail(Errc::Unsupported, "a branch of overlay's format cannot become writable");
  return PrivateArea::open_aufs(branch->root.get(), attributes);
}

UnionFs::Outdated UnionFs::change_settings(const AufsSettings& settings) {
  const std::unique_lock tree(tree_);
  const bool was_cached = may_be_cached();
  settings_.create = settings.create;
  settings_.copy_up = settings.copy_up;
  settings_.udba = settings.udba;
  // Watching begins with a mount; a union that was mounted without asks.
  may_be_cached_ =
      settings.udba == Udba::None || (settings.udba == Udba::Notify && watch_ != nullptr);
  settings_.always_opaque = settings.always_opaque;
  settings_.sum_space = settings.sum_space;
  settings_.sum_writable_only = settings.sum_writable_only;
  settings_.rename_directories = settings.rename_directories;
  settings_.direct_io = settings.direct_io;
  settings_.verbose = settings.verbose;
  Outdated outdated;
  if (was_cached && !may_be_cached()) add_known(outdated);
  return outdated;
}

}  // namespace layerkit
