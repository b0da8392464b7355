#include <memory>

#include "cli/commands.h"
#include "cli/rewritten_image.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/image_rewrite.h"

namespace layerkit::cli {
namespace {

struct Options : RewriteOptions {
  std::vector<std::string> paths;
};

void remove(Session& session, const Options& options) {
  std::vector<RelPath> paths;
  for (const std::string& path : options.paths) {
    paths.push_back(RelPath::parse(path));
    if (paths.back().is_root()) fail(Errc::Invalid, "{}: the root cannot be removed", quoted(path));
  }
  rewrite_image(session, options, [&](const auto& source, const Context& context) {
    return remove_paths(source, paths, context);
  });
}

}  // namespace

void add_rm_path(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("rm-path", "Remove files from all layers of an image")->group(kRewriting);
  auto options = std::make_shared<Options>();
  add_rewrite_options(*command, *options,
                      "Unlike a whiteout this leaves nothing of them in the new image. Paths are "
                      "taken literally: no symlink is followed.");
  command->add_option("path", options->paths, "Files or directories")
      ->type_name("PATH")
      ->required();
  command->callback([&session, options] { remove(session, *options); });
}

}  // namespace layerkit::cli
