#pragma once

#include <cstdint>
#include <string_view>

namespace layerkit {

// Amounts as docker's command line has them. All throw Error{Invalid} that quotes the text.

/// "30m", "1.5g", "512" (bytes), "64KiB": powers of 1024, in bytes.
std::uint64_t parse_size(std::string_view text);

/// "0.5" CPUs as billionths: 500'000'000. At most nine decimals.
std::int64_t parse_nano_cpus(std::string_view text);

}  // namespace layerkit
