#include <fcntl.h>
#include <unistd.h>

#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"
#include "layerkit/runner/container.h"
#include "spec_check.h"

namespace layerkit {

bool has_apparmor() {
  const std::optional<Fd> file =
      open_at_if_exists(AT_FDCWD, "/sys/module/apparmor/parameters/enabled", O_RDONLY);
  char answer = 'N';
  return file && ::read(file->get(), &answer, 1) == 1 && answer == 'Y';
}

}  // namespace layerkit

namespace layerkit::runner {

void check_supported(const ContainerSpec& spec) {
  if (!spec.process.selinux_label.empty() || !spec.mount_label.empty())
    fail(Errc::Unsupported, "starting the container: SELinux is not supported");
  const std::string& profile = spec.process.apparmor_profile;
  if (!profile.empty() && !has_apparmor()) {
    fail(Errc::Unsupported, "setting AppArmor profile {}: this system has no AppArmor",
         quoted(profile));
  }
}

}  // namespace layerkit::runner
