#include "cli/session.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"

namespace layerkit::cli {

namespace {

/// user_namespaces(7): the first one maps all ids to themselves. Podman without root runs the
/// runtime as root of another.
bool in_first_user_namespace() {
  const std::string map = read_file_at(AT_FDCWD, "/proc/self/uid_map", 1U << 16U);
  return map.find(" 4294967295\n") != std::string::npos;
}

}  // namespace

std::string default_root() {
  const char* const runtime_dir = ::getenv("XDG_RUNTIME_DIR");
  const bool has_directory = runtime_dir != nullptr && runtime_dir[0] == '/';
  if (::geteuid() == 0 && (!has_directory || in_first_user_namespace())) return "/run/runner";
  if (has_directory) return std::string(runtime_dir) + "/runner";
  return fmt::format("/tmp/runner-{}", ::geteuid());
}

Runtime Session::runtime() {
  if (systemd_cgroup || cgroup_manager == "systemd") {
    fail(Errc::Unsupported,
         "managing cgroups by systemd: not supported; use --cgroup-manager=cgroupfs");
  }
  return Runtime(root.empty() ? default_root() : root, cgroup_manager != "disabled");
}

}  // namespace layerkit::cli
