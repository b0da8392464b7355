#include <memory>

#include "cli/commands.h"
#include "cli/rewritten_image.h"
#include "layerkit/imagetool/image_rewrite.h"

namespace layerkit::cli {

void add_flatten(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("flatten", "Make an image of one layer and one record of history")
          ->group(kRewriting);
  auto options = std::make_shared<RewriteOptions>();
  add_rewrite_options(*command, *options, "The configuration stays as it is.");
  command->callback([&session, options] { rewrite_image(session, *options, flatten_image); });
}

}  // namespace layerkit::cli
