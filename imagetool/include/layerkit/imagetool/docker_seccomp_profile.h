#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "layerkit/runner/seccomp_profile.h"

namespace layerkit {

inline constexpr std::size_t kMaxSeccompProfile = 4U << 20U;

/// What a profile of docker's depends on.
struct SeccompTarget {
  std::vector<std::string> capabilities;  ///< the container's bounding set: "CAP_CHOWN", ...
  std::string architecture;               ///< libseccomp's name: "SCMP_ARCH_X86_64"
  std::string go_architecture;            ///< Go's: "amd64"
  unsigned kernel_major = 0;
  unsigned kernel_minor = 0;
};
/// This machine, for a container with `capabilities`.
SeccompTarget seccomp_target(std::vector<std::string> capabilities);

/// A profile in docker's format (docs.docker.com, "Seccomp security profiles for Docker"; the one
/// of "linux.seccomp" with archMap, includes and excludes) as it applies to `target`. Member names
/// must be known: a misspelt condition would open what it was to close.
///
/// `document` is what errors call it. Throws Error{Invalid}.
SeccompProfile parse_docker_seccomp_profile(std::string_view text,
                                            const std::string& document,
                                            const SeccompTarget& target);

}  // namespace layerkit
