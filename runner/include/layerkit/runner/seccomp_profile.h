#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace layerkit {

/// "linux.seccomp" of the OCI runtime spec, with its names and words.
struct SeccompProfile {
  struct Argument {
    std::uint32_t index = 0;  ///< 0..5
    std::uint64_t value = 0;
    std::uint64_t value_two = 0;
    std::string op;  ///< "SCMP_CMP_EQ", ...
  };
  struct Rule {
    std::vector<std::string> names;
    std::string action;  ///< "SCMP_ACT_ALLOW", ...
    std::optional<std::uint32_t> errno_ret;
    std::vector<Argument> args;  ///< all must hold
  };

  std::string default_action;
  std::optional<std::uint32_t> default_errno_ret;
  std::vector<std::string> architectures;  ///< "SCMP_ARCH_X86_64", ...; empty: the native one
  std::vector<std::string> flags;          ///< "SECCOMP_FILTER_FLAG_LOG", ...
  bool refuses_unknown_calls = false;      ///< names that libseccomp does not know are an error
  std::string listener_path;               ///< a unix socket; empty: none
  std::string listener_metadata;
  std::vector<Rule> syscalls;
};

/// What Docker gives a container that asks for nothing: known calls are allowed, some of them only
/// to holders of a capability ("CAP_SYS_ADMIN") in `capabilities`, the bounding set; others fail
/// with EPERM.
SeccompProfile default_seccomp_profile(const std::vector<std::string>& capabilities);

}  // namespace layerkit
