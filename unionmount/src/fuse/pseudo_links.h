#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "live_branch.h"

namespace layerkit {

/// AUFS's pseudo-links: a file with several names that was copied up under one of them has one more
/// in the private area of its branch, `NUMBER.INO` (its st_ino in the union and on the branch), by
/// which the others find it. They stay over mounts. Thread-safe.
class PseudoLinks {
 public:
  struct Link {
    LiveBranch* branch = nullptr;
    std::string name;
    std::uint64_t ino = 0;
  };

  void open(LiveBranch& branch);
  void close(const LiveBranch& branch);
  std::optional<Link> find(std::uint64_t number) const;
  bool empty() const;
  /// Of one branch, with the numbers that lead to them.
  std::vector<std::pair<std::uint64_t, Link>> on(const LiveBranch& branch) const;
  static std::string name_of(std::uint64_t number, std::uint64_t ino);
  void add(std::uint64_t number, Link link);
  void remove(std::uint64_t number);

 private:
  mutable std::mutex mutex_;
  std::unordered_map<std::uint64_t, Link> links_;
};

}  // namespace layerkit
