#include <algorithm>
#include <array>
#include <string_view>

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "spec_check.h"

namespace layerkit::runner {
namespace {

struct Asked {
  bool is_asked;
  std::string_view what;
};

template <std::size_t Size>
void refuse(const std::array<Asked, Size>& all) {
  for (const Asked& each : all)
    if (each.is_asked) fail(Errc::Unsupported, "starting the container: {}", each.what);
}

void check_namespaces(const ContainerSpec& spec) {
  refuse(std::array<Asked, 1>{{{!spec.namespaces.mount.is_new(),
                                "one without a mount namespace of its own is not supported"}}});
}

void check_mounts(const std::vector<ContainerMount>& mounts) {
  for (const ContainerMount& mount : mounts) {
    if (mount.copies_up)
      fail(Errc::Unsupported, "mounting on {}: tmpcopyup is not supported", quoted(mount.target));
    if (mount.is_id_mapped || !mount.uid_mappings.empty() || !mount.gid_mappings.empty())
      fail(Errc::Unsupported, "mounting on {}: mapping owners is not supported",
           quoted(mount.target));
  }
}

}  // namespace

void check_supported(const ContainerSpec& spec) {
  check_namespaces(spec);
  check_mounts(spec.mounts);
  const ProcessSpec& process = spec.process;
  refuse(std::array<Asked, 2>{{
      {!process.apparmor_profile.empty(), "AppArmor is not supported"},
      {!process.selinux_label.empty() || !spec.mount_label.empty(), "SELinux is not supported"},
  }});
}

}  // namespace layerkit::runner
