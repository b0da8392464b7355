#pragma once

#include <string>
#include <vector>

#include "layerkit/base/context.h"
#include "layerkit/base/strict_json.h"
#include "layerkit/runner/container_spec.h"

namespace layerkit::runner {

// The parts of config.json, one file each; see oci_config.h for what they refuse.

ProcessSpec read_process(const JsonView& object, const Context& context);
ContainerMount read_mount(const JsonView& object, const Context& context);
Hooks read_hooks(const JsonView& object, const Context& context);
/// "linux": into `spec`.
void read_linux(const JsonView& object, ContainerSpec& spec, const Context& context);
Resources read_resources(const JsonView& object, const Context& context);
SeccompProfile read_seccomp(const JsonView& object, const Context& context);
MemoryPolicy read_memory_policy(const JsonView& object, const Context& context);
std::vector<IdMapping> read_mappings(const JsonView& list, const Context& context);

/// mount(8)'s words in `options`, of a mount whose type and source are set.
/// Throws Error{Unsupported} for one that cannot be had; `context.warn` hears of one that has no
/// effect.
void apply_mount_options(ContainerMount& mount,
                         const std::vector<std::string>& options,
                         const Context& context);
/// All of them, sorted; those that are no option of a file system.
std::vector<std::string> known_mount_options();
/// MS_* for "private", "rslave", ...; 0 for other words.
unsigned long propagation_of(std::string_view word) noexcept;

}  // namespace layerkit::runner
