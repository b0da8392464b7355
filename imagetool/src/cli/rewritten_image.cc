#include "cli/rewritten_image.h"

#include "cli/progress_line.h"

namespace layerkit::cli {

void add_rewrite_options(CLI::App& command, RewriteOptions& options, const std::string& about) {
  command.footer(about + "\n\n" + kImageTargetHelp + "\n\n" + kImageArgumentHelp);
  add_image_target(command, options.target);
  add_image_argument(command, options.image);
}

void add_layer_argument(CLI::App& command, std::size_t& layer) {
  command.add_option("layer", layer, "Number of the layer")
      ->type_name("LAYER")
      ->check(at_least_one())
      ->required();
}

void rewrite_image(Session& session, const RewriteOptions& options, const Rewrite& rewrite) {
  const ImageDestination destination(options.target);
  ProgressLine line;
  const Context context = line.attach(session.context);
  const std::shared_ptr<ImageSource> source = open_image(session, options.image, context);
  destination.put(session, rewrite(source, context), context);
}

}  // namespace layerkit::cli
