#pragma once

#include <linux/filter.h>

#include <vector>

#include "layerkit/runner/seccomp_profile.h"

namespace layerkit::runner {

/// Instructions to stand before a profile's own: system calls with a number above all that the
/// profile names for their architecture are answered ENOSYS. C libraries try new calls first
/// (clone3, faccessat2) and take the old ones on ENOSYS alone; a profile that was written before
/// them would refuse them by its default, EPERM, and break the program. runc does the same.
///
/// Empty unless the default action is an errno other than ENOSYS: what is allowed stays so, and who
/// asked to kill gets that.
std::vector<sock_filter> refuse_newer_calls(const SeccompProfile& profile);

}  // namespace layerkit::runner
