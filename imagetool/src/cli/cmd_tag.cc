#include <memory>

#include "cli/commands.h"

namespace layerkit::cli {

void add_tag(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("tag", "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE")
          ->group(kImages);
  struct Options {
    std::string source;
    std::string target;
  };
  auto options = std::make_shared<Options>();
  command->add_option("source", options->source, "Image to name")
      ->type_name("SOURCE_IMAGE[:TAG]")
      ->required();
  command->add_option("target", options->target, "Its new name")
      ->type_name("TARGET_IMAGE[:TAG]")
      ->required();
  command->callback([&session, options] {
    const ImageName target = ImageName::parse(options->target);
    const ImageId image =
        session.store_with("image", options->source).find(options->source).image.id();
    session.store().set_names({{target, image}});
  });
}

}  // namespace layerkit::cli
