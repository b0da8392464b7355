#pragma once

#include <CLI/CLI.hpp>

#include "layerkit/runner/runtime.h"

namespace layerkit::cli {

/// What create and run have in common.
struct CreateOptions {
  CreateRequest request;
  unsigned preserved = 0;

  /// The request, with the descriptors that are handed down.
  CreateRequest take();
};
void add_create_options(CLI::App& command, CreateOptions& options);

}  // namespace layerkit::cli
