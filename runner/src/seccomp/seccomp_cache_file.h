#pragma once

#include <linux/filter.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "layerkit/runner/seccomp_profile.h"

namespace layerkit::runner {

// A file of the cache, in the machine's byte order:
//   "LKSECCMP"  8 bytes
//   key         size as 8 bytes, then what the program depends on
//   program     size as 8 bytes, then sock_filter structures
//   checksum    8 bytes, of all before

/// All that decides how a program comes out: version of the format, libseccomp's, the kernel's, and
/// default action, architectures and rules of the profile. Different for different ones.
std::string seccomp_cache_key(const SeccompProfile& profile);

/// The file's name; another key may have the same.
std::string seccomp_cache_name(std::string_view key);
/// Whether `name` is of that shape.
bool is_seccomp_cache_name(std::string_view name) noexcept;

std::string write_seccomp_cache(std::string_view key, const std::vector<sock_filter>& program);
/// nullopt unless `contents` is what the function above writes for this key.
std::optional<std::vector<sock_filter>> read_seccomp_cache(std::string_view key,
                                                           std::string_view contents);

}  // namespace layerkit::runner
