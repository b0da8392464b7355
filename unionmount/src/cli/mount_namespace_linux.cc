#include <fcntl.h>
#include <sched.h>

#include <cerrno>

#include "cli/mount_namespace.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"

namespace layerkit::cli {

void enter_mount_namespace(const std::string& name) {
  const std::string path = parse_decimal(name) ? fmt::format("/proc/{}/ns/mnt", name) : name;
  const Fd target = open_at(AT_FDCWD, path, O_RDONLY);
  // The working directory becomes the namespace's root: relative paths are meant there.
  if (::setns(target.get(), CLONE_NEWNS) < 0)
    fail_errno(errno, "entering the mount namespace {}", quoted(name));
}

}  // namespace layerkit::cli
