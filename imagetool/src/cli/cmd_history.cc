#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/image_facts.h"
#include "cli/listing.h"
#include "cli/output.h"
#include "time_format.h"

namespace layerkit::cli {
namespace {

using nlohmann::ordered_json;

struct HistoryOptions {
  ListingChoice listing;
  bool human = true;
  bool no_trunc = false;
  std::string image;
};

std::vector<std::uint64_t> layer_sizes(Session& session, const Image& image) {
  std::vector<std::uint64_t> sizes;
  for (const ChainId& chain : image.chain_ids()) {
    const auto layer = session.store().layers().find(chain);
    sizes.push_back(layer ? layer->size : 0);
  }
  return sizes;
}

/// Docker's, in characters.
constexpr std::size_t kMaxCreatedBy = 45;

ordered_json history_row(const HistoryStep& step,
                         std::uint64_t size,
                         const std::string& id,
                         const HistoryOptions& options) {
  const std::optional<Timestamp> created = parse_rfc3339(step.created);
  const std::string by = one_line(step.created_by);
  return {{"Comment", step.comment},
          {"CreatedAt", step.created},
          {"CreatedBy", options.no_trunc ? by : shortened(by, kMaxCreatedBy)},
          {"CreatedSince", !created        ? "N/A"
                           : options.human ? human_age(*created, current_time())
                                           : step.created},
          {"ID", id},
          {"Size", options.human ? human_size(size) : std::to_string(size)}};
}

void print_history(Session& session, const HistoryOptions& options) {
  static const ListingStyle kStyle{
      {{"ID", "IMAGE"},
       {"CreatedAt", "CREATED AT"},
       {"CreatedSince", "CREATED"},
       {"CreatedBy", "CREATED BY"},
       {"Size", "SIZE"},
       {"Comment", "COMMENT"}},
      "{{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}",
      "ID"};
  const Image image = session.store_with("image", options.image).find(options.image).image;
  const std::vector<HistoryStep> steps = image.history();
  const std::vector<std::uint64_t> sizes = layer_sizes(session, image);
  std::vector<ordered_json> rows;
  // Newest first; only the whole stack has an image ID.
  for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
    const std::string id = options.no_trunc ? image.id().str() : short_id(image.id());
    rows.push_back(history_row(*step, step->layer ? sizes[*step->layer] : 0,
                               rows.empty() ? id : "<missing>", options));
  }
  print(render_listing(kStyle, options.listing, rows));
}

}  // namespace

void add_history(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand("history", "Show the history of an image")->group(kImages);
  auto options = std::make_shared<HistoryOptions>();
  add_format_option(*command, options->listing.format);
  command->add_flag("-H,--human,!--no-human", options->human,
                    "Print sizes and dates in human readable format (--human=false: do not)");
  command->add_flag("--no-trunc", options->no_trunc, "Don't truncate output");
  command->add_flag("-q,--quiet", options->listing.quiet, "Only show image IDs");
  command->add_option("image", options->image, "Image")->type_name("IMAGE")->required();
  command->callback([&session, options] { print_history(session, *options); });
}

}  // namespace layerkit::cli
