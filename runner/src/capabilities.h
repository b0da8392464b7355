#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace layerkit::runner {

/// Set of capabilities: bit n is capability number n (linux/capability.h).
using CapabilitySet = std::uint64_t;

/// Throws Error{Invalid} for a name that does not exist.
CapabilitySet parse_capabilities(const std::vector<std::string>& names);
/// "CAP_CHOWN"; a number for one without a name.
std::string capability_name(unsigned number);
/// The calling thread's bounding set: what its children may have at most.
CapabilitySet bounding_set();

}  // namespace layerkit::runner
