#pragma once

#include <linux/filter.h>

#include <cstddef>
#include <vector>

#include "layerkit/base/context.h"
#include "layerkit/base/fd.h"
#include "layerkit/runner/seccomp_profile.h"

namespace layerkit::runner {

/// What a process loads with one call:
/// seccomp(SECCOMP_SET_MODE_FILTER, flags, {program.size(), program.data()}).
struct SeccompFilter {
  std::vector<sock_filter> program;  ///< 1 to BPF_MAXINSNS instructions
  unsigned flags = 0;                ///< SECCOMP_FILTER_FLAG_*, NEW_LISTENER among them if needed
  bool needs_listener = false;  ///< the call returns a descriptor: a rule says SCMP_ACT_NOTIFY,
                                ///< or the profile names a listener
};

/// System calls in all rules together, and what they compare.
inline constexpr std::size_t kMaxSeccompRules = 4096;
/// Comparisons in rules that have several. libseccomp's work on those grows with the third power:
/// these take half a second, twice as many five.
inline constexpr std::size_t kMaxSeccompChained = 512;

/// Takes 10 to 15 milliseconds for a profile like Docker's: see SeccompCache.
///
/// As runc and crun do: names that libseccomp does not know are passed over (the profile may be
/// newer), and so are rules whose action is the default one. As runc does: when one rule compares
/// an argument twice, each comparison is a rule of its own, and a profile that refuses by errno
/// answers ENOSYS to system calls that are newer than all it names (see seccomp_newer_calls.h).
///
/// Throws Error{Invalid} that names the word, value or rule that cannot be, Error{Unsupported} for
/// what libseccomp or the kernel cannot do, Error{Limit} when the profile or its program is too
/// long.
SeccompFilter compile_seccomp(const SeccompProfile& profile, const Context& context);

/// The parts of compile_seccomp(). The program depends on default action, architectures and rules
/// of the profile alone.
std::vector<sock_filter> compile_seccomp_program(const SeccompProfile& profile,
                                                 const Context& context);
/// What merge_ranges() (seccomp_ranges.h) makes that of; of any length.
std::vector<sock_filter> whole_seccomp_program(const SeccompProfile& profile,
                                               const Context& context);
/// `program` and what the profile says beside it.
SeccompFilter seccomp_filter_of(const SeccompProfile& profile, std::vector<sock_filter> program);

/// A file (memfd) with the instructions of its program.
Fd program_file(const SeccompFilter& filter);

}  // namespace layerkit::runner
