#include <memory>

#include "cli/commands.h"
#include "cli/repeated_option.h"
#include "cli/rewritten_image.h"
#include "layerkit/imagetool/image_split.h"

namespace layerkit::cli {
namespace {

struct Options : RewriteOptions {
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
  rewrite_image(session, options, [&](const auto& source, const Context& context) {
    return split_layer(source, options.layer - 1, groups, context);
  });
}

}  // namespace

void add_split(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("split", "Cut one layer of an image into several")->group(kRewriting);
  auto options = std::make_shared<Options>();
  add_repeated_option(*command, "--by", options->paths, "File or directory that goes (repeatable)")
      ->type_name("PATH")
      ->required();
  command->add_flag("--each", options->each,
                    "Make one layer for each --by, the first lowest, instead of one for all");
  add_rewrite_options(
      *command, *options,
      "What the layer has at or below the paths of --by goes into a layer of its own, above "
      "what is left of it. Layers are counted as `layers` shows them: from 1, the base. Paths are "
      "taken literally: no symlink is followed. Names of one file stay in one layer, the highest "
      "that gets one of them.");
  add_layer_argument(*command, options->layer);
  command->callback([&session, options] { split(session, *options); });
}

}  // namespace layerkit::cli
