#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "layerkit/base/context.h"
#include "layerkit/imagetool/image_store.h"

namespace layerkit::cli {

/// What every subcommand shares: the global options and the store, opened when first needed.
/// Each cmd_<verb>.cc has one `void add_<verb>(CLI::App& app, Session& session)` that declares the
/// subcommand and sets a callback; the callback prints, and sets `exit_code` where it is not 0.
/// Errors leave the callback as layerkit::Error; main prints "imagetool: <message>" and exits 1.
struct Session {
  std::string root = "/var/lib/layerkit";
  Context context;
  int exit_code = 0;

  ImageStore& store();

 private:
  std::unique_ptr<ImageStore> store_;
};

}  // namespace layerkit::cli
