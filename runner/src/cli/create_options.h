#pragma once

#include <CLI/CLI.hpp>

#include "layerkit/runner/runtime.h"

namespace layerkit::cli {

/// What create and run have in common.
void add_create_options(CLI::App& command, CreateRequest& request);

}  // namespace layerkit::cli
