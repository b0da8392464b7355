#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "layerkit/runner/cgroup_stats.h"
#include "layerkit/runner/container.h"

namespace layerkit::cli {

/// The account of one run: docs/RUNNER.md, "Receipts". Times by the monotonic clock.
class Receipt {
 public:
  /// `path` may be empty: none is wanted.
  explicit Receipt(std::string path);

  bool is_wanted() const noexcept { return !path_.empty(); }
  void started();
  /// REQUIRES: is_wanted(). Without `stats` what they would say is null.
  void write(const ExitStatus& status,
             bool timed_out,
             const std::optional<CgroupStats>& stats) const;

 private:
  std::string path_;
  std::int64_t begin_;
  std::int64_t started_ = 0;
};

}  // namespace layerkit::cli
