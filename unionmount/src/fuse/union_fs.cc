#include "union_fs.h"

#include <malloc.h>

#include <utility>

#include "file_at.h"

namespace layerkit {
namespace {

std::vector<LiveBranch*> pointers(const std::vector<std::unique_ptr<LiveBranch>>& branches) {
  std::vector<LiveBranch*> all;
  all.reserve(branches.size());
  for (const auto& branch : branches)
    all.push_back(branch.get());
  return all;
}

}  // namespace

UnionFs::UnionFs(Config config)
    : settings_(std::move(config.settings)),
      format_(config.format),
      expendable_upper_(config.expendable_upper),
      may_change_owners_(config.may_change_owners),
      branches_(std::move(config.branches)),
      fds_(config.directory_fds),
      shared_files_(config.directory_fds),
      nodes_(pointers(branches_), [this](Node& node) {
        fds_.drop(node);
        shared_files_.drop(&node);
        shared_lists_.drop(&node);
        if (watch_ != nullptr && node.is_directory()) watch_->forget(node);
      }) {
  // From the bottom, so that the numbers of what lies there stay when branches come on top.
  for (auto it = branches_.rbegin(); it != branches_.rend(); ++it)
    prepare_branch(**it);
  may_be_cached_ = settings_.udba == Udba::None;
  renumber();
  const LiveBranch& bottom = *branches_.back();
  struct stat stat = {};
  if (stat_name(bottom.root.get(), "", stat) == 0)
    nodes_.root().number = numbers_.number(bottom, stat.st_ino);
}

UnionFs::~UnionFs() {
  // What the kernel had open when the connection went.
  for (DirectoryHandle* handle : open_directories_)
    delete handle;
}

void UnionFs::use_watch(std::unique_ptr<BranchWatch> watch) {
  {
    const std::unique_lock tree(tree_);
    std::swap(watch_, watch);
    may_be_cached_ = settings_.udba == Udba::None || watch_ != nullptr;
  }
  const std::shared_lock tree(tree_);
  watch_parts(nodes_.root());
}

/// REQUIRES: the tree lock.
void UnionFs::watch_parts(Node& directory) {
  if (watch_ == nullptr) return;
  for (LiveBranch* part : directory.parts) {
    if (watch_->is_watched(directory, *part)) continue;
    // Without a watch its names cannot be believed: every one is asked for from now on.
    if (!watch_->watch(directory, *part, fds_.of(directory, *part)->get())) may_be_cached_ = false;
  }
}

void UnionFs::trim() {
  if (nodes_.many_are_gone()) ::malloc_trim(0);
}

void UnionFs::let_go() {
  const std::unique_lock tree(tree_);
  fds_.clear();
  shared_files_.clear();
  nodes_.close_files();
  for (const auto& branch : branches_) {
    numbers_.close_table(*branch);
    branch->area.reset();
    branch->root.reset();
  }
}

}  // namespace layerkit
