#include "work_dir.h"

#include <fcntl.h>

#include <cerrno>
#include <cstdlib>
#include <exception>

#include "layerkit/base/error.h"
#include "layerkit/base/file.h"

namespace layerkit::bench {
namespace {

std::string make_dir() {
  const char* base = std::getenv("TMPDIR");  // NOLINT(concurrency-mt-unsafe): nobody sets it
  std::string path = std::string(base != nullptr ? base : "/tmp") + "/layerkit-bench-XXXXXX";
  if (::mkdtemp(path.data()) == nullptr) fail_errno(errno, "creating a temporary directory");
  return path;
}

}  // namespace

WorkDir::WorkDir() : path_(make_dir()), fd_(open_dir_at(AT_FDCWD, path_)) {}

WorkDir::~WorkDir() {
  try {
    remove_tree_at(AT_FDCWD, path_);
  } catch (const std::exception&) {
    // A benchmark's figures do not depend on what it leaves.
  }
}

void WorkDir::clear() const {
  for (const auto& entry : list_dir(fd()))
    remove_tree_at(fd(), entry.name);
}

}  // namespace layerkit::bench
