#include "cli/image_argument.h"

#include <unistd.h>

#include <cerrno>

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

std::unique_ptr<ImageSource> open_image(Session& session,
                                        const ImageArgument& argument,
                                        const Context& context) {
  ImageSourceOptions options;
  if (!argument.platform.empty()) options.platform = Platform::parse(argument.platform);
  // Who only looks does not make a store.
  const auto store = [&]() -> ImageStore& {
    if (::access(session.root.c_str(), F_OK) != 0 && errno == ENOENT) {
      fail(Errc::NotFound, "No such image: {}", escaped(argument.reference));
    }
    return session.store();
  };
  return open_image_source(argument.reference, store, context, options);
}

}  // namespace layerkit::cli
