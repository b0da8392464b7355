#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <string>

#include "cli/image_argument.h"
#include "cli/image_target.h"
#include "cli/session.h"

namespace layerkit::cli {

/// What the commands have in common that make one image of another.
struct RewriteOptions {
  ImageArgument image;
  ImageTarget target;
};

/// Declares -t, --compress, --platform and the operand IMAGE, and describes them in the footer,
/// after `about`.
void add_rewrite_options(CLI::App& command, RewriteOptions& options, const std::string& about);

/// Declares the operand LAYER, counted from 1.
void add_layer_argument(CLI::App& command, std::size_t& layer);

/// What makes the new image; the context reports progress.
using Rewrite =
    std::function<SaveItem(const std::shared_ptr<ImageSource>& source, const Context& context)>;

/// Opens the image, makes the new one and puts it where it is to go.
void rewrite_image(Session& session, const RewriteOptions& options, const Rewrite& rewrite);

}  // namespace layerkit::cli
