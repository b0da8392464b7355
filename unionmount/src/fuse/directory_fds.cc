#include "directory_fds.h"

#include <fcntl.h>

#include <cerrno>
#include <vector>

#include "file_at.h"
#include "layerkit/base/error.h"

namespace layerkit {
namespace {

Fd open_directory(int parent, const std::string& name) {
  Fd fd(::openat(parent, name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (fd) return fd;
  const int err = errno;
  // Somebody else removed or replaced it.
  fail_errno(err == ENOENT || err == ENOTDIR || err == ELOOP ? ESTALE : err,
             "opening a directory of a branch");
}

}  // namespace

DirectoryFds::Ref DirectoryFds::find(const Key& key) {
  const std::lock_guard lock(mutex_);
  const auto found = open_.find(key);
  if (found == open_.end()) return nullptr;
  recent_.splice(recent_.begin(), recent_, found->second);
  return found->second->fd;
}

DirectoryFds::Ref DirectoryFds::add(const Key& key, Fd fd) {
  auto ref = std::make_shared<const Fd>(std::move(fd));
  Ref closed_outside;  // close(2) may take a while
  const std::lock_guard lock(mutex_);
  const auto [place, is_new] = open_.try_emplace(key);
  if (!is_new) return place->second->fd;  // another thread was faster
  recent_.push_front({key, ref});
  place->second = recent_.begin();
  if (recent_.size() > capacity_) {
    closed_outside = std::move(recent_.back().fd);
    open_.erase(recent_.back().key);
    recent_.pop_back();
  }
  return ref;
}

DirectoryFds::Ref DirectoryFds::if_open(const Node& directory, const LiveBranch& branch) {
  return find({&directory, &branch});
}

DirectoryFds::Ref DirectoryFds::of(const Node& directory, const LiveBranch& branch) {
  if (Ref known = find({&directory, &branch})) return known;
  // Up to the nearest that is open, then down again.
  std::vector<const Node*> missing;
  Ref from;
  for (const Node* at = &directory; from == nullptr;) {
    missing.push_back(at);
    if (at->names.empty()) fail_errno(ESTALE, "entering a directory that was removed");
    at = at->names.front().parent;
    if (at == nullptr) break;
    from = find({at, &branch});
  }
  while (!missing.empty()) {
    const Node* next = missing.back();
    missing.pop_back();
    const bool is_root = next->names.front().parent == nullptr;
    Fd fd =
        is_root ? branch.root.duplicate() : open_directory(from->get(), next->names.front().name);
    from = add({next, &branch}, std::move(fd));
  }
  return from;
}

void DirectoryFds::drop(const Node& directory) {
  const std::lock_guard lock(mutex_);
  for (const LiveBranch* branch : directory.parts) {
    const auto found = open_.find({&directory, branch});
    if (found == open_.end()) continue;
    recent_.erase(found->second);
    open_.erase(found);
  }
}

void DirectoryFds::clear() {
  const std::lock_guard lock(mutex_);
  open_.clear();
  recent_.clear();
}

void DirectoryFds::drop(const LiveBranch& branch) {
  const std::lock_guard lock(mutex_);
  for (auto it = recent_.begin(); it != recent_.end();) {
    if (it->key.branch == &branch) {
      open_.erase(it->key);
      it = recent_.erase(it);
    } else {
      ++it;
    }
  }
}

}  // namespace layerkit
