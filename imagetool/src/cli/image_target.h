#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "cli/session.h"
#include "layerkit/imagetool/archive.h"

namespace layerkit::cli {

/// For footers of commands that make an image.
extern const char* const kImageTargetHelp;

/// Where a new image goes: what -t says, and how its layers are compressed in an archive.
struct ImageTarget {
  std::string destination;
  std::string compress;
};

/// Declares -t,--tag (required) and --compress.
void add_image_target(CLI::App& command, ImageTarget& target);
/// Stores or writes the image and prints its ID.
void put_image(Session& session, SaveItem item, const ImageTarget& target, const Context& context);

}  // namespace layerkit::cli
