#pragma once

#include <sys/stat.h>

#include "file_at.h"
#include "layerkit/base/error.h"

namespace layerkit {

/// Gives a directory its times back in which the union makes something of its own: to those who
/// read the branch nothing has happened to it.
class KeptTimes final {
 public:
  explicit KeptTimes(int dir) : dir_(dir), stat_(stat_open(dir)) {}
  KeptTimes(const KeptTimes&) = delete;
  KeptTimes& operator=(const KeptTimes&) = delete;
  ~KeptTimes() {
    try {
      set_times(dir_, stat_.st_atim, stat_.st_mtim);
    } catch (const Error&) {  // NOLINT(bugprone-empty-catch): a time is not worth the mount
    }
  }

 private:
  int dir_;
  struct stat stat_;
};

}  // namespace layerkit
