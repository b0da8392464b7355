#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <vector>

#include "layerkit/unionmount/aufs_settings.h"
#include "live_branch.h"

namespace layerkit {

/// The policies that look at space or take turns (aufs(5), "Policies"). Thread-safe.
class BranchChoice {
 public:
  /// One of `candidates` (writable, top first, not empty) by the policy. `with_parent` are those
  /// that hold the parent directory. A new directory takes no turn: it goes where the next file
  /// would.
  LiveBranch& choose(const CreatePolicy& policy,
                     const std::vector<LiveBranch*>& candidates,
                     const std::vector<LiveBranch*>& with_parent,
                     bool is_directory);

 private:
  LiveBranch& next_turn(const std::vector<LiveBranch*>& candidates, bool is_directory);
  /// The one with the most free space; of equals the lower, or the upper.
  LiveBranch& most_free(const std::vector<LiveBranch*>& candidates,
                        unsigned refresh_seconds,
                        bool prefer_upper,
                        std::uint64_t& free_bytes);
  std::uint64_t free_space(const LiveBranch& branch, unsigned refresh_seconds);

  struct Measured {
    int branch = 0;
    std::uint64_t bytes = 0;
    std::chrono::steady_clock::time_point at;
  };
  std::mutex mutex_;
  std::uint64_t turn_ = 0;
  std::vector<Measured> measured_;
};

}  // namespace layerkit
