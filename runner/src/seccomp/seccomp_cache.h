#pragma once

#include <string>

#include "layerkit/base/context.h"
#include "layerkit/runner/seccomp_profile.h"
#include "seccomp_filter.h"

namespace layerkit::runner {

/// Compiled programs in a directory, one file for each: compiling takes 10 to 15 milliseconds, as
/// long as all the rest of a container's start.
///
/// A file counts only when it and the directory are the caller's own and nobody else can write
/// them, and when it holds the very profile that is asked for (with the versions of libseccomp and
/// kernel) and an intact program. Whatever else is found, and whatever cannot be read or written,
/// is passed over: the profile is compiled.
///
/// Thread-safe, and processes may share a directory: files appear whole, by rename.
class SeccompCache {
 public:
  /// Files that stay; the oldest go.
  static constexpr std::size_t kMaxFiles = 64;

  /// `directory` is created (0700) when there is something to put in; its parents are not.
  explicit SeccompCache(std::string directory) : directory_(std::move(directory)) {}

  /// As compile_seccomp().
  SeccompFilter get(const SeccompProfile& profile, const Context& context) const;

 private:
  std::string directory_;
};

}  // namespace layerkit::runner
