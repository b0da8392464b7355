#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace layerkit {

/// Docker's --security-opt.
struct SecurityOptions {
  bool no_new_privileges = false;
  /// Empty: the default profile; "unconfined"; or a profile itself (docker_seccomp_profile.h).
  std::string seccomp;
  /// The AppArmor profile; empty: none was asked for.
  std::string apparmor;
  bool label_disable = false;
  /// No path of /proc and /sys is masked or read-only.
  bool system_paths_unconfined = false;

  bool is_seccomp_unconfined() const { return seccomp == "unconfined"; }
};

/// Reads one --security-opt into `options`. The file of "seccomp=FILE" is not read: `seccomp` is
/// what stands behind the '='. Throws Error{Invalid} for what is no such option,
/// Error{Unsupported} for one that this system or program cannot do.
void parse_security_option(std::string_view text, SecurityOptions& options);

/// As docker records them: "seccomp={...}" with the profile.
std::vector<std::string> security_option_words(const SecurityOptions& options);

}  // namespace layerkit
