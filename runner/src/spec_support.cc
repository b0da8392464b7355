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

}  // namespace

void check_supported(const ContainerSpec& spec) {
  const ProcessSpec& process = spec.process;
  refuse(std::array<Asked, 2>{{
      {!process.apparmor_profile.empty(), "AppArmor is not supported"},
      {!process.selinux_label.empty() || !spec.mount_label.empty(), "SELinux is not supported"},
  }});
}

}  // namespace layerkit::runner
