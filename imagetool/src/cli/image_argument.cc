#include "cli/image_argument.h"

#include "cli/commands.h"

namespace layerkit::cli {

const char* const kImageArgumentHelp =
    "IMAGE is a name or an ID in the store, docker-archive:FILE[:NAME|@N], "
    "oci-archive:FILE[:NAME|@N], oci:DIR[:NAME|@N], or the path of such a file or directory.";

void add_image_argument(CLI::App& command, ImageArgument& argument) {
  command
      .add_option("--platform", argument.platform,
                  "Of an image for several platforms, take this one (default: this machine's)")
      ->type_name("OS/ARCH[/VARIANT]");
  command.add_option("image", argument.reference, "Image")->type_name(kImageArgument)->required();
}

std::unique_ptr<ImageSource> open_image(Session& session,
                                        const ImageArgument& argument,
                                        const Context& context) {
  ImageSourceOptions options;
  if (!argument.platform.empty()) options.platform = Platform::parse(argument.platform);
  return open_image_source(
      argument.reference, [&session]() -> ImageStore& { return session.store(); }, context,
      options);
}

}  // namespace layerkit::cli
