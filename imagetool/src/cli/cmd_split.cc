#include <memory>

#include "cli/commands.h"
#include "cli/image_argument.h"
#include "cli/image_target.h"
#include "cli/progress_line.h"
#include "cli/repeated_option.h"
#include "layerkit/imagetool/image_split.h"

namespace layerkit::cli {
namespace {

struct Options {
  ImageArgument image;
  ImageTarget target;
  std::size_t layer = 0;
  std::vector<std::string> paths;
  bool each = false;
};

std::vector<std::vector<RelPath>> groups_of(const Options& options) {
  std::vector<std::vector<RelPath>> groups;
  for (const std::string& path : options.paths) {
    if (groups.empty() || options.each) groups.emplace_back();
    groups.back().push_back(RelPath::parse(path));
  }
  return groups;
}

void split(Session& session, const Options& options) {
  const std::vector<std::vector<RelPath>> groups = groups_of(options);
  const ImageDestination destination(options.target);
  ProgressLine line;
  const Context context = line.attach(session.context);
  const std::shared_ptr<ImageSource> source = open_image(session, options.image, context);
  destination.put(session, split_layer(source, options.layer - 1, groups, context), context);
}

}  // namespace

void add_split(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("split", "Cut one layer of an image into several")->group(kRewriting);
  command->footer(
      std::string(
          "What the layer has at or below the paths of --by goes into a layer of its own, above "
          "what is left of it. Layers are counted as `layers` shows them: from 1, the base. Paths "
          "are taken literally: no symlink is followed. Names of one file stay in one layer, the "
          "highest that gets one of them.\n\n") +
      kImageTargetHelp + "\n\n" + kImageArgumentHelp);
  auto options = std::make_shared<Options>();
  add_repeated_option(*command, "--by", options->paths, "File or directory that goes (repeatable)")
      ->type_name("PATH")
      ->required();
  command->add_flag("--each", options->each,
                    "Make one layer for each --by, the first lowest, instead of one for all");
  add_image_target(*command, options->target);
  add_image_argument(*command, options->image);
  command->add_option("layer", options->layer, "Number of the layer")
      ->type_name("LAYER")
      ->check(at_least_one())
      ->required();
  command->callback([&session, options] { split(session, *options); });
}

}  // namespace layerkit::cli
