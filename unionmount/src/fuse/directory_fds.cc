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

DirectoryFds::Ref DirectoryFds::of(const Node& directory, const LiveBranch& branch) {
  if (Ref known = open_.find({&directory, &branch})) return known;
  // Up to the nearest that is open, then down again.
  std::vector<const Node*> missing;
  Ref from;
  for (const Node* at = &directory; from == nullptr;) {
    missing.push_back(at);
    if (at->names.empty()) fail_errno(ESTALE, "entering a directory that was removed");
    at = at->names.front().parent;
    if (at == nullptr) break;
    from = open_.find({at, &branch});
  }
  while (!missing.empty()) {
    const Node* next = missing.back();
    missing.pop_back();
    const bool is_root = next->names.front().parent == nullptr;
    Fd fd =
        is_root ? branch.root.duplicate() : open_directory(from->get(), next->names.front().name);
    from = open_.add({next, &branch}, std::move(fd));
  }
  return from;
}

void DirectoryFds::drop(const Node& directory) {
  for (const LiveBranch* branch : directory.parts)
    open_.drop({&directory, branch});
}

void DirectoryFds::drop(const LiveBranch& branch) {
  open_.drop_if([&](const Key& key) { return key.branch == &branch; });
}

}  // namespace layerkit
