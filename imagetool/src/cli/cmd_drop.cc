#include <memory>

#include "cli/commands.h"
#include "cli/image_argument.h"
#include "cli/image_target.h"
#include "cli/progress_line.h"
#include "layerkit/base/error.h"
#include "layerkit/imagetool/image_rewrite.h"

namespace layerkit::cli {
namespace {

struct Options {
  ImageArgument image;
  ImageTarget target;
  std::size_t layer = 0;
};

void drop(Session& session, const Options& options) {
  const ImageDestination destination(options.target);
  ProgressLine line;
  const Context context = line.attach(session.context);
  const std::shared_ptr<ImageSource> source = open_image(session, options.image, context);
  destination.put(session, drop_layer(source, options.layer - 1, context), context);
}

}  // namespace

void add_drop(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("drop", "Take one layer out of an image")->group(kRewriting);
  command->footer(std::string("Layers are counted as `layers` shows them: from 1, the base. Its "
                              "record of history goes, too.\n\n") +
                  kImageTargetHelp + "\n\n" + kImageArgumentHelp);
  auto options = std::make_shared<Options>();
  add_image_target(*command, options->target);
  add_image_argument(*command, options->image);
  command->add_option("layer", options->layer, "Number of the layer")
      ->type_name("LAYER")
      ->check(at_least_one())
      ->required();
  command->callback([&session, options] { drop(session, *options); });
}

}  // namespace layerkit::cli
