#include <memory>

#include "cli/commands.h"
#include "cli/image_argument.h"
#include "cli/image_target.h"
#include "cli/output.h"
#include "cli/progress_line.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/image_rewrite.h"
#include "temporary_directory.h"

namespace layerkit::cli {
namespace {

struct Options {
  ImageTarget target;
  std::string platform;
  std::vector<std::string> have;
  std::vector<std::string> operands;  ///< sources, and the destination
  bool all = false;
};

void copy_indexes(const std::string& text,
                  const ImageDestination& destination,
                  const Options& options,
                  const Context& context) {
  if (!options.platform.empty() || !options.have.empty() || !options.target.compress.empty()) {
    fail(Errc::Invalid,
         "--all copies everything as it is: it does not go with --platform, --have or --compress");
  }
  if (destination.archive().empty())
    fail(Errc::Invalid, "--all: the store holds images, not indexes: copy one platform's");
  const ImageReference source = ImageReference::parse(text);
  std::optional<ImageName> name;
  if (!destination.names().empty()) name = destination.names().front();
  const auto copied =
      copy_whole_images(source.text, source.name, name, destination.options().format,
                        destination.archive(), open_temporary_file, context);
  if (destination.archive() == "-") return;
  for (const BlobId& digest : copied)
    print_line(digest.str());
}

void copy(Session& session, Options& options) {
  if (options.operands.size() < 2)
    fail(Errc::Invalid, "copying {}: where to? A destination has to follow",
         layerkit::quoted(options.operands.front()));
  options.target.destination = std::move(options.operands.back());
  options.operands.pop_back();
  ImageDestination destination(options.target);
  check_level(options.target.level, destination.options().layer_compression);
  ProgressLine line;
  const Context context = line.attach(session.context);
  if (options.all) {
    if (options.operands.size() > 1) fail(Errc::Invalid, "--all: copies one source");
    return copy_indexes(options.operands.front(), destination, options, context);
  }
  if (!options.have.empty() && destination.archive().empty())
    fail(Errc::Invalid, "--have: only an archive can leave layers out");
  std::vector<SaveItem> items;
  for (const std::string& operand : options.operands) {
    for (const auto& source : open_images(session, {operand, options.platform}, context))
      items.push_back(whole_image(source));
  }
  if (!destination.names().empty()) {
    if (items.size() > 1) {
      fail(Errc::Invalid, "{} images cannot all be called {}", items.size(),
           destination.names().front().str());
    }
    items.front().names = destination.names();
  }
  destination.leave_out(layers_of(session, options.have, context));
  destination.put_all(session, items, context);
}

}  // namespace

void add_copy(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("copy", "Copy images between the store, archives and layouts")
          ->group(kImages);
  command->footer(
      std::string(
          "The destination is a name for the store, or docker-archive:FILE[:NAME], "
          "oci-archive:FILE[:NAME], oci:DIR[:NAME]; without NAME images keep their names. Of an "
          "archive with several images all are copied, unless a name says which. From one OCI "
          "layout to another, layers and manifests keep their bytes, and so their digests, unless "
          "--compress is given.\n\n") +
      kImageArgumentHelp);
  auto options = std::make_shared<Options>();
  command->add_flag("--all", options->all,
                    "From one OCI layout to another: all platforms, and all that belongs to them");
  add_compress_option(*command, options->target.compress);
  add_level_option(*command, options->target.level);
  add_have_option(*command, options->have);
  command
      ->add_option("--platform", options->platform,
                   "Of images for several platforms, take this one (default: this machine's)")
      ->type_name("OS/ARCH[/VARIANT]");
  command->add_option("image", options->operands, "Images, and where they go")
      ->type_name("IMAGE... DESTINATION")
      ->required();
  command->callback([&session, options] { copy(session, *options); });
}

}  // namespace layerkit::cli
