#include "cli/image_argument.h"

#include "cli/commands.h"
#include "layerkit/base/text.h"

namespace layerkit::cli {

const char* const kImageArgumentHelp =
    "IMAGE is a name or an ID in the store, docker-archive:FILE[:NAME|@N], "
    "oci-archive:FILE[:NAME|@N], oci:DIR[:NAME|@N], or the path of such a file or directory.";

CLI::Validator at_least_one() {
  return CLI::Validator(CLI::PositiveNumber).description("");
}

void add_image_argument(CLI::App& command, ImageArgument& argument) {
  command
      .add_option("--platform", argument.platform,
                  "Of an image for several platforms, take this one (default: this machine's)")
      ->type_name("OS/ARCH[/VARIANT]");
  command.add_option("image", argument.reference, "Image")->type_name(kImageArgument)->required();
}

namespace {

ImageSourceOptions options_of(const ImageArgument& argument) {
  ImageSourceOptions options;
  if (!argument.platform.empty()) options.platform = Platform::parse(argument.platform);
  return options;
}

}  // namespace

std::unique_ptr<ImageSource> open_image(Session& session,
                                        const ImageArgument& argument,
                                        const Context& context) {
  return open_image_source(
      argument.reference,
      [&]() -> ImageStore& { return session.store_with("image", argument.reference); }, context,
      options_of(argument));
}

std::vector<std::shared_ptr<ImageSource>> open_images(Session& session,
                                                      const ImageArgument& argument,
                                                      const Context& context) {
  auto opened = open_image_sources(
      argument.reference,
      [&]() -> ImageStore& { return session.store_with("image", argument.reference); }, context,
      options_of(argument));
  return {std::make_move_iterator(opened.begin()), std::make_move_iterator(opened.end())};
}

}  // namespace layerkit::cli
