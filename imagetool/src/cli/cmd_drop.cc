#include <memory>

#include "cli/commands.h"
#include "cli/rewritten_image.h"
#include "layerkit/imagetool/image_rewrite.h"

namespace layerkit::cli {
namespace {

struct Options : RewriteOptions {
  std::size_t layer = 0;
};

void drop(Session& session, const Options& options) {
  rewrite_image(session, options, [&](const auto& source, const Context& context) {
    return drop_layer(source, options.layer - 1, context);
  });
}

}  // namespace

void add_drop(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("drop", "Take one layer out of an image")->group(kRewriting);
  auto options = std::make_shared<Options>();
  add_rewrite_options(*command, *options,
                      "Layers are counted as `layers` shows them: from 1, the base. Its record of "
                      "history goes, too.");
  add_layer_argument(*command, options->layer);
  command->callback([&session, options] { drop(session, *options); });
}

}  // namespace layerkit::cli
