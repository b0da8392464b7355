#pragma once

#include <optional>

#include "layerkit/runner/container_spec.h"

namespace layerkit::cli {

/// Raises this process's soft limit of open files to the hard one: a stack of layers takes a
/// descriptor per layer, and the usual soft limit of 1024 exists for programs that use select(2).
/// Returns the limit as it was, for the programs that are started; nullopt when nothing changed.
std::optional<Rlimit> raise_descriptor_limit() noexcept;

}  // namespace layerkit::cli
