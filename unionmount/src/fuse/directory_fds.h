#pragma once

#include <functional>
#include <memory>

#include "layerkit/base/fd.h"
#include "node.h"
#include "recently_used.h"

namespace layerkit {

/// Descriptors of the branches' directories, opened from the parent's by name when they are asked
/// for, so that no path is ever built and its length has no limit; the least recently used are
/// closed beyond `capacity`. Thread-safe under the tree lock, shared or exclusive.
class DirectoryFds {
 public:
  using Ref = std::shared_ptr<const Fd>;

  explicit DirectoryFds(std::size_t capacity) : open_(capacity) {}

  /// O_PATH. Throws Error with ESTALE when the branch holds no such directory any more.
  Ref of(const Node& directory, const LiveBranch& branch);
  /// As `of`, but only what is open; null otherwise.
  Ref if_open(const Node& directory, const LiveBranch& branch) {
    return open_.find({&directory, &branch});
  }

  /// What is known of the directory is wrong from now on: it goes or is another one.
  void drop(const Node& directory);
  void drop(const LiveBranch& branch);
  void clear() { open_.clear(); }

 private:
  struct Key {
    const Node* directory;
    const LiveBranch* branch;
    bool operator==(const Key&) const = default;
  };
  struct Hash {
    std::size_t operator()(const Key& key) const noexcept {
      return std::hash<const void*>{}(key.directory) * 31 ^ std::hash<const void*>{}(key.branch);
    }
  };

  RecentlyUsed<Key, Fd, Hash> open_;
};

}  // namespace layerkit
