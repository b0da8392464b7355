#pragma once

#include <seccomp.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace layerkit::runner {

// The words of a profile as libseccomp's values. All throw Error that names a word that is none.

/// "SCMP_ACT_ERRNO" and an errno: SCMP_ACT_ERRNO(errno). Only ERRNO and TRACE take one (OCI runtime
/// spec, "errnoRet"); theirs is EPERM when absent.
std::uint32_t seccomp_action(const std::string& word, std::optional<std::uint32_t> errno_ret);
/// "SCMP_CMP_EQ": SCMP_CMP_EQ.
scmp_compare seccomp_comparison(const std::string& word);
/// "SCMP_ARCH_X86": SCMP_ARCH_X86.
std::uint32_t seccomp_architecture(const std::string& word);
/// "SECCOMP_FILTER_FLAG_LOG": its bit. 0 for TSYNC: one thread loads the filter, before the
/// program that could start others.
unsigned seccomp_flag(const std::string& word);

/// All words that those functions take, sorted; of the architectures, what libseccomp knows.
struct SeccompWords {
  std::vector<std::string_view> actions;
  std::vector<std::string_view> operators;
  std::vector<std::string> architectures;
  std::vector<std::string_view> flags;
};
SeccompWords seccomp_words();

}  // namespace layerkit::runner
