#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "cli/session.h"
#include "layerkit/imagetool/image_source.h"

namespace layerkit::cli {

/// How help calls what ImageReference describes.
inline constexpr char kImageArgument[] = "IMAGE";
/// For footers of commands that take one.
extern const char* const kImageArgumentHelp;

/// Which image the user means: the operand, and --platform.
struct ImageArgument {
  std::string reference;
  std::string platform;
};

/// Checks a number; says nothing of itself in the help.
CLI::Validator at_least_one();
/// Declares the operand and --platform.
void add_image_argument(CLI::App& command, ImageArgument& argument);
/// Opens all images that it means: see open_image_sources.
std::vector<std::shared_ptr<ImageSource>> open_images(Session& session,
                                                      const ImageArgument& argument,
                                                      const Context& context);
/// Opens the image; `context` must outlive it.
std::unique_ptr<ImageSource> open_image(Session& session,
                                        const ImageArgument& argument,
                                        const Context& context);

}  // namespace layerkit::cli
