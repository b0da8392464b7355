#pragma once

#include <string>

#include "cli/mount_request.h"
#include "cli/session.h"

namespace layerkit::cli {

/// Mounts, or remounts where the options say so. Reports warnings.
void mount_union(Session& session, const MountRequest& request);

/// Carries out `mount -o remount,OPTIONS`, whatever union is mounted there.
void remount(Session& session, const std::string& mount_point, const std::string& options);

}  // namespace layerkit::cli
