#include <unistd.h>

#include <algorithm>
#include <map>
#include <memory>

#include "archive/reference_names.h"
#include "cli/commands.h"
#include "cli/image_target.h"
#include "cli/progress_line.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/archive.h"

namespace layerkit::cli {
namespace {

struct Options {
  std::string output;
  std::string format = "docker-archive";
  std::string compress;
  int level = 0;
  std::vector<std::string> have;
  std::vector<std::string> images;
};

const std::map<std::string, ArchiveFormat> kFormats = {
    {"docker-archive", ArchiveFormat::DockerArchive},
    {"oci-archive", ArchiveFormat::OciArchive},
    {"oci-dir", ArchiveFormat::OciDirectory},
};

/// An image that the user named is saved with that name, one found by its ID without any.
SaveItem item_for(ImageStore& store, const std::string& text) {
  ImageStore::Record record = store.find(text);
  SaveItem item{std::move(record.image), {}};
  const auto name = parse_name_if_valid(text);
  if (name && std::ranges::find(record.names, *name) != record.names.end()) item.names = {*name};
  return item;
}

SaveOptions save_options(const Options& options) {
  SaveOptions result;
  result.format = kFormats.at(options.format);
  result.layer_compression = parse_compress(options.compress);
  result.compression_level = options.level;
  check_level(options.level, result.layer_compression);
  return result;
}

void save(Session& session, const Options& options) {
  if (options.output.empty() && ::isatty(STDOUT_FILENO) == 1) {
    fail(Errc::Invalid, "cowardly refusing to save to a terminal. Use the -o flag or redirect");
  }
  SaveOptions how = save_options(options);
  ImageStore& store = session.store_with("image", options.images.front());
  std::vector<SaveItem> items;
  for (const std::string& text : options.images) {
    items.push_back(item_for(store, text));
  }
  ProgressLine line;
  const Context context = line.attach(session.context);
  how.left_out = layers_of(session, options.have, context);
  save_images(store, items, how, options.output.empty() ? "-" : options.output, context);
}

}  // namespace

void add_save(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("save", "Save one or more images to an archive (STDOUT by default)")
          ->group(kImages);
  auto options = std::make_shared<Options>();
  command->add_option("-o,--output", options->output, "Write to a file or directory, not STDOUT")
      ->type_name("FILE|DIR");
  command->add_option("--format", options->format, "What to write")
      ->type_name("docker-archive|oci-archive|oci-dir")
      ->check(CLI::IsMember(kFormats))
      ->default_str(options->format);
  add_compress_option(*command, options->compress);
  add_level_option(*command, options->level);
  add_have_option(*command, options->have);
  command->add_option("image", options->images, "Images")->type_name("IMAGE")->required();
  command->callback([&session, options] { save(session, *options); });
}

}  // namespace layerkit::cli
