#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <vector>

#include "layerkit/base/fd.h"
#include "live_branch.h"

namespace layerkit {

struct Node;

/// An open file. `fd` may change while it is read: a file that is copied up is read from its copy.
struct FileHandle {
  Node* node = nullptr;
  LiveBranch* branch = nullptr;
  int flags = 0;
  bool fails_at_close = false;  ///< close(2) may tell of an error
  std::atomic<int> fd{-1};
  std::atomic<std::uint32_t> revision{0};
  std::mutex mutex;
  std::vector<Fd> owned;         ///< the last is `fd`
  std::uint32_t backing_id = 0;  ///< passthrough
};

}  // namespace layerkit
