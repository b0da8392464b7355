#pragma once

#include "layerkit/base/fd.h"
#include "overlay_plan.h"

namespace layerkit {

/// How a kernel takes the directories of an overlay.
enum class BranchPassing {
  Descriptor,  ///< fsconfig, FSCONFIG_SET_FD: Linux 6.13
  ProcPath,    ///< fsconfig, "/proc/self/fd/N" as a string: Linux 6.5
  MountData,   ///< mount(2) only
};

/// Tries it, without mounting anything. nullopt when nothing can be said, for want of privilege.
std::optional<BranchPassing> try_branch_passing();

/// Whether this kernel's overlayfs is older than directories of data. False where that cannot be
/// tried.
bool is_older_than_data_directories();

/// Mounts by fsconfig. REQUIRES: passing is Descriptor or ProcPath.
Fd mount_overlay_by_fsconfig(const OverlayPlan& plan, BranchPassing passing);
/// Mounts by mount(2) at a directory of its own and detaches it from there.
Fd mount_overlay_by_mount_call(const OverlayPlan& plan);

/// Throws Error{Unsupported} for an option that this kernel's overlayfs does not take.
[[noreturn]] void fail_option_unknown(const std::string& option, const std::string& kernel_says);

/// Throws the error for a file system that could not be created: the reason where it can be told
/// from the branches, else errno with `kernel_says` (may be empty).
[[noreturn]] void fail_overlay_refused(const OverlayPlan& plan,
                                       int sys_errno,
                                       const std::string& kernel_says);

}  // namespace layerkit
