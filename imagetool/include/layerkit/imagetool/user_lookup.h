#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "layerkit/base/root_dir.h"

namespace layerkit {

/// Who a container's process runs as.
struct ContainerUser {
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::vector<std::uint32_t> additional_gids;
  std::string home = "/";
  bool operator==(const ContainerUser&) const = default;
};

/// Resolves "[user|uid][:group|gid]" by /etc/passwd and /etc/group of the container, as docker
/// does: a name or number found in passwd brings its group, home and the groups that list it (these
/// only when no group is given); a number not found there stands for itself with group 0.
///
/// The files are hostile: opened inside `rootfs` only, as regular files of bounded size, read
/// without any NSS; malformed lines are passed over. Throws Error{NotFound} "unable to find user
/// 'x': no matching entries in passwd file", Error{Invalid} for a malformed `spec`.
ContainerUser find_user(const RootDir& rootfs, std::string_view spec);

/// The same on the files' contents.
ContainerUser find_user(std::string_view passwd, std::string_view group, std::string_view spec);

/// The gid of a group that is named, or given as a number, by /etc/group of the container. Throws
/// Error{NotFound} "unable to find group 'x': no matching entries in group file".
std::uint32_t find_group(const RootDir& rootfs, std::string_view group);

}  // namespace layerkit
