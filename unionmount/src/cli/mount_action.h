#pragma once

#include <optional>
#include <string>

#include "cli/session.h"
#include "layerkit/unionmount/mount_options.h"

namespace layerkit::cli {

/// What can carry a union.
enum class UnionType {
  Automatic,  ///< the kernel's where it can, else FUSE
  Overlay,
  Aufs,  ///< the kernel's
  Fuse,
};

/// "auto", "overlay", "aufs", "fuse"; Error{Invalid} for anything else.
UnionType parse_union_type(const std::string& text);

struct MountRequest {
  UnionType type = UnionType::Automatic;
  std::string options;  ///< as after -o
  std::string source;   ///< what the mount table is to show
  std::string mount_point;
  bool foreground = false;  ///< stay until it is unmounted; a signal unmounts
  bool verbose = false;     ///< say what carries it, and why
  bool dry = false;         ///< check everything, mount nothing
};

/// Mounts, or remounts where the options say so. Reports warnings.
void mount_union(Session& session, const MountRequest& request);

/// Carries out `mount -o remount,OPTIONS`, whatever union is mounted there.
void remount(Session& session, const std::string& mount_point, const std::string& options);

}  // namespace layerkit::cli
