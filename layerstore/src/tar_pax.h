#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "layerkit/base/entry.h"
#include "layerkit/layerstore/tar.h"
#include "tar_sparse.h"

namespace layerkit {

/// What the records of PAX extended headers say (POSIX 1003.1, pax, "pax Extended Header").
struct PaxValues {
  std::optional<std::string> path;
  std::optional<std::string> link_path;
  std::optional<std::uint64_t> size;
  std::optional<std::uint64_t> uid;
  std::optional<std::uint64_t> gid;
  std::optional<Timestamp> mtime;
  std::optional<std::uint64_t> star_real_size;  ///< SCHILY.realsize
  Xattrs xattrs;
  PaxSparse sparse;
};

/// Puts the records of one extended header into `values`; a repeated key wins over the earlier one,
/// an empty value takes the key back. Unknown keys are passed over. Throws Error{Invalid} for
/// anything that is not a whole record, for NUL in a name, for a number that is none;
/// Error{Limit} for a name that is too long, too many xattrs, too long a sparse map.
void read_pax_records(std::string_view records, const TarLimits& limits, PaxValues& values);

/// Of a global header only the numbers are taken: uid, gid and mtime. What else it says would give
/// many entries one name or one size, and other engines pass over it.
void read_pax_globals(std::string_view records, PaxValues& values);

/// "LENGTH KEY=VALUE\n".
std::string format_pax_record(std::string_view key, std::string_view value);
/// Seconds with as many decimals as needed: "1", "-1.5", "0.000000001".
std::string format_pax_time(const Timestamp& time);

}  // namespace layerkit
