#include <unistd.h>

#include <functional>
#include <memory>

#include "cli/commands.h"
#include "cli/output.h"
#include "cli/progress_line.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/archive.h"
#include "layerkit/imagetool/option_values.h"

namespace layerkit::cli {
namespace {

struct Options {
  std::string input;
  std::string platform;
  bool quiet = false;
  StoreOptions store;
  LoadLimits limits;
};

std::string size_text(std::uint64_t bytes) {
  return fmt::format("{}g", bytes >> 30);
}

/// What an archive may ask for at most.
void add_limits(CLI::App& command, Options& options) {
  const auto add = [&command](const char* name, const char* help, std::string value,
                              const std::function<void(const std::string&)>& set) {
    command.add_option_function<std::string>(name, set, help)
        ->type_name("SIZE")
        ->default_str(std::move(value))
        ->group("Limits");
  };
  command
      .add_option("--max-entries", options.store.tar_limits.entries,
                  "Refuse a layer with more entries or directories")
      ->type_name("N")
      ->capture_default_str()
      ->group("Limits");
  command
      .add_option("--max-path-length", options.store.tar_limits.path_bytes,
                  "Refuse a layer with paths of more bytes")
      ->type_name("N")
      ->check(CLI::Range(1, 4095))
      ->capture_default_str()
      ->group("Limits");
  add("--max-layer-size", "Refuse a layer that unpacks to more bytes",
      size_text(options.store.tar_limits.unpacked_bytes), [&options](const std::string& text) {
        options.store.tar_limits.unpacked_bytes = parse_size(text);
      });
  add("--max-size", "Refuse an archive whose layers unpack to more bytes together",
      size_text(options.store.transaction_bytes), [&options](const std::string& text) {
        options.store.transaction_bytes = parse_size(text);
        options.limits.archive_bytes = options.store.transaction_bytes;
      });
  add("--max-memory", "Refuse compressed data that needs more memory to unpack", "34m",
      [&options](const std::string& text) {
        options.limits.decompression.memory = parse_size(text);
      });
  add("--max-json-size", "Refuse manifests, indexes and configs of more bytes", "4m",
      [&options](const std::string& text) {
        options.limits.json_bytes = parse_size(text);
        if (options.limits.json_bytes <= LoadLimits().json_bytes) return;
        fail(Errc::Invalid, "--max-json-size {}: a store takes no more than 4m", escaped(text));
      });
  command
      .add_option("--max-nesting", options.limits.index_nesting,
                  "Refuse indexes that are nested more deeply in each other")
      ->type_name("N")
      ->check(CLI::Range(1, 64))
      ->capture_default_str()
      ->group("Limits");
  command
      .add_option("--max-ratio", options.limits.decompression.ratio,
                  "Refuse more than 1 GiB that is compressed better than N to 1; 0 for no limit")
      ->type_name("N")
      ->capture_default_str()
      ->group("Limits");
}

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
    session.store_options = options.store;
    ImageStore& store = session.store();
    const auto archive = open_archive(options.input.empty() ? "-" : options.input, store.layers(),
                                      context, options.limits);
    results = load_images(store, *archive, platform, context, options.limits);
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
  add_limits(*command, *options);
  command->callback([&session, options] { load(session, *options); });
}

}  // namespace layerkit::cli
