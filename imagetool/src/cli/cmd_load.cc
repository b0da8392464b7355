#include <unistd.h>

#include <memory>

#include "cli/commands.h"
#include "cli/output.h"
#include "cli/progress_line.h"
#include "layerkit/imagetool/archive.h"

namespace layerkit::cli {
namespace {

struct Options {
  std::string input;
  std::string platform;
  bool quiet = false;
};

/// In docker's words.
void print_result(const LoadResult& result) {
  for (const auto& [name, old_image] : result.moved) {
    print_line(
        fmt::format("The image {} already exists, renaming the old one with ID {} to empty "
                    "string",
                    name.str(), old_image.str()));
  }
  for (const ImageName& name : result.names) {
    print_line("Loaded image: " + name.str());
  }
  if (result.names.empty()) print_line("Loaded image ID: " + result.image.str());
}

void load(Session& session, const Options& options) {
  if (options.input.empty() && ::isatty(STDIN_FILENO) == 1) {
    fail(Errc::Invalid, "requested load from stdin, but stdin is empty");
  }
  std::optional<Platform> platform;
  if (!options.platform.empty()) platform = Platform::parse(options.platform);
  std::vector<LoadResult> results;
  {
    ProgressLine line;
    const Context context = options.quiet ? session.context : line.attach(session.context);
    ImageStore& store = session.store();
    const auto archive =
        open_archive(options.input.empty() ? "-" : options.input, store.layers(), context);
    results = load_images(store, *archive, platform, context);
  }
  for (const LoadResult& result : results) {
    print_result(result);
  }
}

}  // namespace

void add_load(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("load", "Load images from an archive, a layout directory or STDIN")
          ->group(kImages);
  auto options = std::make_shared<Options>();
  command->add_option("-i,--input", options->input, "Read from FILE or DIR, instead of STDIN")
      ->type_name("FILE|DIR");
  command
      ->add_option("--platform", options->platform,
                   "Load the image for this platform, instead of this machine's")
      ->type_name("PLATFORM");
  command->add_flag("-q,--quiet", options->quiet, "Suppress the progress output");
  command->callback([&session, options] { load(session, *options); });
}

}  // namespace layerkit::cli
