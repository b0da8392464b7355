#pragma once

#include <fcntl.h>

#include <cstdlib>
#include <string>

#include "layerkit/base/error.h"
#include "layerkit/base/fd.h"
#include "layerkit/base/file.h"

namespace layerkit::testing {

/// A directory of its own for one test, removed with everything in it.
class TempDir {
 public:
  TempDir() {
    const char* base = std::getenv("TMPDIR");  // NOLINT(concurrency-mt-unsafe): nobody sets it
    path_ = std::string(base != nullptr ? base : "/tmp") + "/layerkit-test-XXXXXX";
    if (::mkdtemp(path_.data()) == nullptr) fail_errno(errno, "creating a temporary directory");
    fd_ = open_dir_at(AT_FDCWD, path_);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir() {
    try {
      remove_tree_at(AT_FDCWD, path_);
    } catch (const Error&) {  // NOLINT(bugprone-empty-catch): a test left a mount; it fails itself
    }
  }

  const std::string& path() const { return path_; }
  std::string path(const std::string& below) const { return path_ + "/" + below; }
  int fd() const { return fd_.get(); }

 private:
  std::string path_;
  Fd fd_;
};

}  // namespace layerkit::testing
