#pragma once

#include <string>
#include <vector>

#include "cli/mount_action.h"
#include "cli/session.h"

namespace layerkit::cli {

/// What mount(8) wants of a helper ("/sbin/mount.TYPE").
struct HelperCall {
  MountRequest request;
  std::string mount_namespace;  ///< path or process number; empty: the present one
};

/// Reads `mount.TYPE SPEC DIR [-sfnv] [-N namespace] [-o options] [-t type.subtype]`, in any order.
/// `arguments[0]` is the name that the program was called by. Throws Error{Invalid}.
HelperCall parse_helper_call(const std::vector<std::string>& arguments);

/// The exit code of mount(8) for a failure.
int helper_exit_code(const Error& error);

/// Runs the program as a helper; prints what goes wrong. Gives the exit code.
int run_mount_helper(Session& session, const std::vector<std::string>& arguments);

}  // namespace layerkit::cli
