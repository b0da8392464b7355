#include "cli/session.h"

#include <stdlib.h>
#include <unistd.h>

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"

namespace layerkit::cli {

std::string default_root() {
  if (::geteuid() == 0) return "/run/runner";
  const char* const runtime_dir = ::getenv("XDG_RUNTIME_DIR");
  if (runtime_dir != nullptr && runtime_dir[0] == '/') return std::string(runtime_dir) + "/runner";
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
