#pragma once

#include <string>

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

}  // namespace layerkit::cli
