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
  std::string old_base;
  std::string new_base;
};

void rebase(Session& session, const Options& options) {
  const ImageDestination destination(options.target);
  ProgressLine line;
  const Context context = line.attach(session.context);
  const auto open = [&](const std::string& reference) -> std::shared_ptr<ImageSource> {
    return open_image(session, {reference, options.image.platform}, context);
  };
  destination.put(session,
                  rebase_image(open(options.image.reference), open(options.old_base),
                               open(options.new_base), context),
                  context);
}

}  // namespace

void add_rebase(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("rebase", "Put an image's own layers on another base")->group(kRewriting);
  command->footer(
      std::string("The image must begin with all layers of the old base, and both bases "
                  "must be for its platform. Its configuration stays as it is.\n\n") +
      kImageTargetHelp + "\n\n" + kImageArgumentHelp);
  auto options = std::make_shared<Options>();
  command->add_option("--old-base", options->old_base, "Image that it was made from")
      ->type_name(kImageArgument)
      ->required();
  command->add_option("--new-base", options->new_base, "Image to put it on")
      ->type_name(kImageArgument)
      ->required();
  add_image_target(*command, options->target);
  add_image_argument(*command, options->image);
  command->callback([&session, options] { rebase(session, *options); });
}

}  // namespace layerkit::cli
