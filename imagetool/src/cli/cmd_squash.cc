#include <memory>

#include "cli/commands.h"
#include "cli/rewritten_image.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/image_rewrite.h"

namespace layerkit::cli {
namespace {

struct Options : RewriteOptions {
  std::size_t from = 0;
  std::size_t to = 0;
  std::size_t last = 0;
  bool all = false;
};

struct Range {
  std::size_t begin;
  std::size_t end;
};

/// Layers are counted from 1, as `layers` shows them.
Range chosen_range(const Options& options, std::size_t layers) {
  const auto check = [layers](const char* what, std::size_t number) {
    if (number <= layers) return;
    fail(Errc::Invalid, "{} {}: the image has {} layer{}", what, number, layers,
         layers == 1 ? "" : "s");
  };
  check("--from", options.from);
  check("--to", options.to);
  check("--last", options.last);
  if (options.last > 0) return {layers - options.last, layers};
  const Range range{options.from == 0 ? 0 : options.from - 1,
                    options.to == 0 ? layers : options.to};
  if (range.begin >= range.end) {
    fail(Errc::Invalid, "--from {} --to {}: there is no layer in between", options.from,
         options.to);
  }
  return range;
}

void squash(Session& session, const Options& options) {
  rewrite_image(session, options, [&](const auto& source, const Context& context) {
    if (source->layers() == 0)
      fail(Errc::Invalid, "squashing {}: it has no layers", quoted(options.image.reference));
    const Range range = chosen_range(options, source->layers());
    return squash_layers(source, range.begin, range.end, context);
  });
}

}  // namespace

void add_squash(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("squash", "Make several layers of an image into one")->group(kRewriting);
  auto options = std::make_shared<Options>();
  CLI::Option* all = command->add_flag("--all", options->all, "Squash all layers (the default)");
  CLI::Option* from = command->add_option("--from", options->from, "Begin with this layer")
                          ->type_name("LAYER")
                          ->check(at_least_one());
  CLI::Option* to = command->add_option("--to", options->to, "End with this layer")
                        ->type_name("LAYER")
                        ->check(at_least_one());
  command->add_option("--last", options->last, "Squash the last layers, so many")
      ->type_name("N")
      ->check(at_least_one())
      ->excludes(from)
      ->excludes(to)
      ->excludes(all);
  all->excludes(from);
  all->excludes(to);
  add_rewrite_options(
      *command, *options,
      "Layers are counted as `layers` shows them: from 1, the base. All of them are "
      "squashed unless options say which. The history keeps its records.");
  command->callback([&session, options] { squash(session, *options); });
}

}  // namespace layerkit::cli
