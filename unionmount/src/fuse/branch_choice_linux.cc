#include <sys/statvfs.h>

#include <algorithm>

#include "branch_choice.h"

namespace layerkit {

std::uint64_t BranchChoice::free_space(const LiveBranch& branch, unsigned refresh_seconds) {
  const auto now = std::chrono::steady_clock::now();
  auto known = std::find_if(measured_.begin(), measured_.end(),
                            [&](const Measured& m) { return m.branch == branch.id; });
  if (known != measured_.end() && now - known->at < std::chrono::seconds(refresh_seconds))
    return known->bytes;
  struct statvfs space = {};
  const std::uint64_t bytes = ::fstatvfs(branch.root.get(), &space) == 0
                                  ? std::uint64_t{space.f_bavail} * space.f_frsize
                                  : 0;
  if (known == measured_.end())
    measured_.push_back({branch.id, bytes, now});
  else
    *known = {branch.id, bytes, now};
  return bytes;
}

LiveBranch& BranchChoice::most_free(const std::vector<LiveBranch*>& candidates,
                                    unsigned refresh_seconds,
                                    bool prefer_upper,
                                    std::uint64_t& free_bytes) {
  LiveBranch* best = candidates.front();
  free_bytes = free_space(*best, refresh_seconds);
  for (std::size_t i = 1; i < candidates.size(); ++i) {
    const std::uint64_t free = free_space(*candidates[i], refresh_seconds);
    if (free < free_bytes || (prefer_upper && free == free_bytes)) continue;
    best = candidates[i];
    free_bytes = free;
  }
  return *best;
}

LiveBranch& BranchChoice::next_turn(const std::vector<LiveBranch*>& candidates, bool is_directory) {
  // From the bottom to the top and over again, as AUFS counts down.
  const std::size_t turn = candidates.size() - 1 - turn_ % candidates.size();
  if (!is_directory) ++turn_;
  return *candidates[turn];
}

LiveBranch& BranchChoice::choose(const CreatePolicy& policy,
                                 const std::vector<LiveBranch*>& candidates,
                                 const std::vector<LiveBranch*>& with_parent,
                                 bool is_directory) {
  const std::lock_guard lock(mutex_);
  const unsigned refresh = policy.refresh_seconds;
  std::uint64_t free = 0;
  switch (policy.rule) {
    case CreateRule::TopDownParent:
      return *(with_parent.empty() ? candidates : with_parent).front();
    case CreateRule::RoundRobin:
      return next_turn(candidates, is_directory);
    case CreateRule::TopDownMostFree:
      for (LiveBranch* branch : candidates)
        if (free_space(*branch, refresh) > policy.low_water_bytes) return *branch;
      return most_free(candidates, refresh, false, free);
    case CreateRule::MostFree:
      return most_free(candidates, refresh, false, free);
    case CreateRule::ParentMostFree:
      if (with_parent.empty()) return most_free(candidates, refresh, false, free);
      return most_free(with_parent, refresh, true, free);
    case CreateRule::ParentMostFreeRoundRobin:
      if (!with_parent.empty()) {
        LiveBranch& best = most_free(with_parent, refresh, true, free);
        if (free >= policy.low_water_bytes) return best;
      }
      [[fallthrough]];
    case CreateRule::MostFreeRoundRobin: {
      LiveBranch& best = most_free(candidates, refresh, false, free);
      return free >= policy.low_water_bytes ? best : next_turn(candidates, is_directory);
    }
  }
  return *candidates.front();
}

}  // namespace layerkit
