#pragma once

#include <string>
#include <string_view>

#include "layerkit/base/context.h"
#include "layerkit/runner/container_spec.h"

namespace layerkit {

/// The longest config.json or process.json that is read.
inline constexpr std::size_t kMaxOciConfig = 8U << 20U;

/// A bundle's config.json (OCI runtime spec 1.2).
struct OciConfig {
  std::string oci_version;
  ContainerSpec spec;     ///< without id and descriptors
  std::string root_path;  ///< "root.path"; relative to the bundle unless absolute
};

// They throw Error{Invalid} that names the property for what is no such document,
// Error{Unsupported} for what this runner knows and does not do, and for values (mount options,
// namespace types, actions, ...) that it does not know. `context.warn` hears of properties that are
// not in the spec, which tells runtimes to go on without them, and of capabilities that this
// process cannot grant. Thread-safe.

OciConfig read_oci_config(std::string_view json, const Context& context);
/// "process" alone: what exec takes.
ProcessSpec read_oci_process(std::string_view json, const Context& context);
/// "linux.resources" alone: what update takes.
Resources read_oci_resources(std::string_view json, const Context& context);

}  // namespace layerkit
