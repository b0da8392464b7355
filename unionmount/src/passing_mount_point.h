#pragma once

#include <cstddef>
#include <string>

#include "mount_api.h"

namespace layerkit {

/// A directory to mount on by mount(2) for a moment, which nobody else can reach: below a new
/// directory of mode 0700 in sticky /tmp, bound to itself and private, so that no mount spreads to
/// other namespaces. Whatever is mounted there goes with it.
class PassingMountPoint final {
 public:
  PassingMountPoint();
  PassingMountPoint(const PassingMountPoint&) = delete;
  PassingMountPoint& operator=(const PassingMountPoint&) = delete;
  ~PassingMountPoint() { remove(); }

  const std::string& path() const noexcept { return mount_point_; }
  /// What is mounted there, cloned and detached.
  Fd clone(const MountAttributes& attributes) const;

 private:
  void prepare();
  void remove() noexcept;

  std::string directory_ = "/tmp/layerkit-mount-XXXXXX";
  std::string mount_point_;
};

/// The attributes as flags of mount(2).
unsigned long mount_call_flags(const MountAttributes& attributes) noexcept;

/// How long a data argument mount(2) takes without cutting it.
std::size_t max_mount_data();

}  // namespace layerkit
