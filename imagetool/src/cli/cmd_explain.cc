#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/image_argument.h"
#include "cli/image_facts.h"
#include "cli/listing.h"
#include "cli/object_row.h"
#include "cli/output.h"
#include "cli/progress_line.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/layer_history.h"
#include "layerkit/imagetool/tree_path.h"
#include "time_format.h"

namespace layerkit::cli {
namespace {

struct Options {
  ImageArgument image;
  std::string path;
  std::string format;
  bool no_trunc = false;
};

std::string details_of(const PathVersion& version) {
  if (version.event == PathEvent::Removed) {
    return fmt::format("{} at {}", version.how, name_text(version.hidden_by.absolute()));
  }
  return fmt::format("{}", fmt::join(version.changes, ", "));
}

nlohmann::ordered_json version_row(const PathVersion& version,
                                   const ImageSource& source,
                                   const std::vector<HistoryStep>& steps,
                                   const Options& options) {
  const DiffId& layer = source.image().diff_ids()[version.layer];
  nlohmann::ordered_json row = {{"Layer", std::to_string(version.layer + 1)},
                                {"DiffID", options.no_trunc ? layer.str() : short_id(layer)},
                                {"Event", path_event_text(version.event)},
                                {"Details", details_of(version)},
                                {"CreatedBy", steps[version.layer].created_by}};
  Entry seen;
  if (version.entry) seen = *version.entry;
  nlohmann::ordered_json object = object_row(seen, false);
  for (const char* field : {"Type", "Mode", "UID", "GID", "Size", "ModifiedAt", "Target"})
    row[field] = version.entry ? object[field].get<std::string>() : std::string();
  return row;
}

void explain(Session& session, const Options& options) {
  static const ListingStyle kStyle{
      {{"Layer", "LAYER"},
       {"DiffID", "DIFF ID"},
       {"Event", "EVENT"},
       {"Details", "DETAILS"},
       {"Type", "TYPE"},
       {"Mode", "MODE"},
       {"UID", "UID"},
       {"GID", "GID"},
       {"Size", "SIZE"},
       {"ModifiedAt", "MODIFIED AT"},
       {"Target", "TARGET"},
       {"CreatedBy", "CREATED BY"}},
      "{{.Layer}}\t{{.DiffID}}\t{{.Event}}\t{{.Mode}}\t{{.UID}}\t{{.GID}"
      "}\t{{.Size}}\t{{.ModifiedAt}}\t{{.Details}}",
      "Layer"};
  ProgressLine line;
  const Context context = line.attach(session.context);
  const auto source = open_image(session, options.image, context);
  const RelPath path = RelPath::parse(options.path);
  const std::vector<PathVersion> versions = path_versions(*source, path, context);
  line.finish();
  if (versions.empty()) {
    fail(Errc::NotFound, "{}: no layer of the image has it", quoted(options.path));
  }
  const std::vector<HistoryStep> steps = layer_steps(source->image());
  std::vector<nlohmann::ordered_json> rows;
  for (const PathVersion& version : versions)
    rows.push_back(version_row(version, *source, steps, options));
  print(render_listing(kStyle, {false, options.format}, rows));
}

}  // namespace

void add_explain(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("explain", "Show which layers added, changed or hid a path of an image")
          ->group(kContents);
  command->footer(std::string("PATH is taken literally: no symlink is followed.\n\n") +
                  kImageArgumentHelp);
  auto options = std::make_shared<Options>();
  add_format_option(*command, options->format);
  command->add_flag("--no-trunc", options->no_trunc, "Do not truncate output");
  add_image_argument(*command, options->image);
  command->add_option("path", options->path, "Path in the image")->type_name("PATH")->required();
  command->callback([&session, options] { explain(session, *options); });
}

}  // namespace layerkit::cli
