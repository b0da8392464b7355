#include <memory>

#include "cli/commands.h"
#include "cli/image_argument.h"
#include "cli/image_target.h"
#include "cli/progress_line.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/image_rewrite.h"

namespace layerkit::cli {
namespace {

struct Options {
  ImageArgument image;
  ImageTarget target;
  std::vector<std::string> paths;
};

void remove(Session& session, const Options& options) {
  std::vector<RelPath> paths;
  for (const std::string& path : options.paths) {
    paths.push_back(RelPath::parse(path));
    if (paths.back().is_root()) fail(Errc::Invalid, "{}: the root cannot be removed", quoted(path));
  }
  const ImageDestination destination(options.target);
  ProgressLine line;
  const Context context = line.attach(session.context);
  const std::shared_ptr<ImageSource> source = open_image(session, options.image, context);
  destination.put(session, remove_paths(source, paths, context), context);
}

}  // namespace

void add_rm_path(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("rm-path", "Remove files from all layers of an image")->group(kRewriting);
  command->footer(
      std::string("Unlike a whiteout this leaves nothing of them in the new image. Paths are taken "
                  "literally: no symlink is followed.\n\n") +
      kImageTargetHelp + "\n\n" + kImageArgumentHelp);
  auto options = std::make_shared<Options>();
  add_image_target(*command, options->target);
  add_image_argument(*command, options->image);
  command->add_option("path", options->paths, "Files or directories")
      ->type_name("PATH")
      ->required();
  command->callback([&session, options] { remove(session, *options); });
}

}  // namespace layerkit::cli
