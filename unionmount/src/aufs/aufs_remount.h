#pragma once

#include <string>
#include <string_view>

#include "layerkit/unionmount/mount_info.h"
#include "mount_api.h"

namespace layerkit {

/// `mount -o remount,OPTIONS` of a kernel's AUFS.
struct AufsRemount {
  std::string data;  ///< what AUFS itself reads
  MountAttributes attributes;
};

/// Takes the options that are not AUFS's out of the text; what the mount has already (`present`,
/// as the mount table shows it) stays unless the options say otherwise. Throws Error{Invalid}.
AufsRemount plan_aufs_remount(std::string_view present, std::string_view options);

void remount_kernel_aufs(const MountInfo& mount, std::string_view options);

}  // namespace layerkit
