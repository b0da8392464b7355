#pragma once

#include <string>

#include "layerkit/base/fd.h"

namespace layerkit::bench {

/// A directory of its own in $TMPDIR (or /tmp), removed with all in it at the end.
class WorkDir {
 public:
  WorkDir();
  WorkDir(const WorkDir&) = delete;
  WorkDir& operator=(const WorkDir&) = delete;
  ~WorkDir();

  const std::string& path() const noexcept { return path_; }
  int fd() const noexcept { return fd_.get(); }
  /// Removes what is in it.
  void clear() const;

 private:
  std::string path_;
  Fd fd_;
};

}  // namespace layerkit::bench
