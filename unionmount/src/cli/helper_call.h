#pragma once

#include <string>
#include <vector>

#include "cli/mount_request.h"
#include "layerkit/base/error.h"

namespace layerkit::cli {

/// What mount(8) wants of a helper ("/sbin/mount.TYPE").
struct HelperCall {
  MountRequest request;
  std::string mount_namespace;  ///< path or process number; empty: the present one
};

/// Reads `mount.TYPE SPEC DIR [-sfnv] [-N namespace] [-o options] [-t type.subtype]`, in any order.
/// `arguments[0]` is the name that the program was called by. Throws Error{Invalid}.
HelperCall parse_helper_call(const std::vector<std::string>& arguments);

// mount(8), "EXIT STATUS".
inline constexpr int kUsageOrPermission = 1;
inline constexpr int kSystemError = 2;
inline constexpr int kInternalError = 4;
inline constexpr int kInterrupted = 8;
inline constexpr int kMountFailure = 32;

/// The exit code of mount(8) for a failure.
int helper_exit_code(const Error& error);

}  // namespace layerkit::cli
