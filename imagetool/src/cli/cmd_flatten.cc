#include <memory>

#include "cli/commands.h"
#include "cli/image_argument.h"
#include "cli/image_target.h"
#include "cli/progress_line.h"
#include "layerkit/imagetool/image_rewrite.h"

namespace layerkit::cli {
namespace {

struct Options {
  ImageArgument image;
  ImageTarget target;
};

void flatten(Session& session, const Options& options) {
  const ImageDestination destination(options.target);
  ProgressLine line;
  const Context context = line.attach(session.context);
  const std::shared_ptr<ImageSource> source = open_image(session, options.image, context);
  destination.put(session, flatten_image(source, context), context);
}

}  // namespace

void add_flatten(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("flatten", "Make an image of one layer and one record of history")
          ->group(kRewriting);
  command->footer(std::string("The configuration stays as it is.\n\n") + kImageTargetHelp + "\n\n" +
                  kImageArgumentHelp);
  auto options = std::make_shared<Options>();
  add_image_target(*command, options->target);
  add_image_argument(*command, options->image);
  command->callback([&session, options] { flatten(session, *options); });
}

}  // namespace layerkit::cli
