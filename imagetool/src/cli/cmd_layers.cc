#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/image_argument.h"
#include "cli/image_facts.h"
#include "cli/listing.h"
#include "cli/output.h"
#include "cli/progress_line.h"
#include "layerkit/imagetool/layer_history.h"
#include "time_format.h"

namespace layerkit::cli {
namespace {

struct Options {
  ImageArgument image;
  ListingChoice listing;
  bool human = true;
  bool no_trunc = false;
};

/// Of the column, in characters.
constexpr std::size_t kMaxCreatedBy = 60;

nlohmann::ordered_json layer_row(const LayerSummary& layer, const Options& options) {
  const auto size = [&](std::uint64_t bytes) {
    return options.human ? human_size(bytes) : std::to_string(bytes);
  };
  const std::string id = options.no_trunc ? layer.diff_id.str() : short_id(layer.diff_id);
  return {{"Layer", std::to_string(layer.index + 1)},
          {"DiffID", id},
          {"Size", size(layer.size)},
          {"TarSize", size(layer.tar_size)},
          {"Entries", std::to_string(layer.entries)},
          {"Added", std::to_string(layer.added)},
          {"Changed", std::to_string(layer.changed)},
          {"Removed", std::to_string(layer.removed)},
          {"CreatedAt", layer.created},
          {"CreatedBy", options.no_trunc ? layer.created_by
                                         : shortened(one_line(layer.created_by), kMaxCreatedBy)}};
}

void print_layers(Session& session, const Options& options) {
  static const ListingStyle kStyle{
      {{"Layer", "LAYER"},
       {"DiffID", "DIFF ID"},
       {"Size", "SIZE"},
       {"TarSize", "TAR SIZE"},
       {"Entries", "ENTRIES"},
       {"Added", "ADDED"},
       {"Changed", "CHANGED"},
       {"Removed", "REMOVED"},
       {"CreatedAt", "CREATED AT"},
       {"CreatedBy", "CREATED BY"}},
      "{{.Layer}}\t{{.DiffID}}\t{{.Size}}\t{{.Entries}}\t{{.Added}}\t{{.Changed}}\t{{.Removed}}\t"
      "{{.CreatedBy}}",
      "DiffID"};
  ProgressLine line;
  const Context context = line.attach(session.context);
  const auto source = open_image(session, options.image, context);
  std::vector<nlohmann::ordered_json> rows;
  for (const LayerSummary& layer : summarize_layers(*source, context))
    rows.push_back(layer_row(layer, options));
  line.finish();
  print(render_listing(kStyle, options.listing, rows));
}

}  // namespace

void add_layers(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("layers", "Show an image's layers and what each of them changes")
          ->group(kContents);
  command->footer(
      std::string(
          "SIZE counts the bytes of a layer's files, ENTRIES the members of its tar; ADDED, "
          "CHANGED and REMOVED say what it does to the layers below it.\n\n") +
      kImageArgumentHelp);
  auto options = std::make_shared<Options>();
  add_format_option(*command, options->listing.format);
  command->add_flag("-H,--human,!--no-human", options->human,
                    "Print sizes and dates in human readable format (--human=false: do not)");
  command->add_flag("--no-trunc", options->no_trunc, "Do not truncate output");
  command->add_flag("-q,--quiet", options->listing.quiet, "Only show diff IDs");
  add_image_argument(*command, options->image);
  command->callback([&session, options] { print_layers(session, *options); });
}

}  // namespace layerkit::cli
