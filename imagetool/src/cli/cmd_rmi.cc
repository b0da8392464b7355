#include <memory>

#include "cli/commands.h"
#include "cli/output.h"

namespace layerkit::cli {
namespace {

void remove_image(Session& session, const std::string& name, bool force) {
  const ImageStore::Removed removed = session.store_with("image", name).remove(name, force);
  for (const ImageName& untagged : removed.untagged) {
    print_line("Untagged: " + untagged.str());
  }
  if (removed.image) print_line("Deleted: " + removed.image->str());
  for (const LayerInfo& layer : removed.layers) {
    print_line("Deleted: " + layer.chain.str());
  }
}

/// As docker: with -f it is no failure that an image is gone already, only worth a line.
void remove_if_present(Session& session, const std::string& name) {
  try {
    remove_image(session, name, true);
  } catch (const Error& error) {
    if (error.code() != Errc::NotFound) throw;
    print_error(error.message());
  }
}

}  // namespace

void add_rmi(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand("rmi", "Remove one or more images")->group(kImages);
  struct Options {
    bool force = false;
    std::vector<std::string> images;
  };
  auto options = std::make_shared<Options>();
  command->add_flag("-f,--force", options->force, "Force removal of the image");
  command->add_option("image", options->images, "Images")->type_name("IMAGE")->required();
  command->callback([&session, options] {
    for (const std::string& name : options->images) {
      session.context.check_interrupted();
      session.attempt([&] {
        if (options->force) {
          remove_if_present(session, name);
        } else {
          remove_image(session, name, false);
        }
      });
    }
  });
}

}  // namespace layerkit::cli
