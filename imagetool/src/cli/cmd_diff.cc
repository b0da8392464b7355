#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/image_argument.h"
#include "cli/listing.h"
#include "cli/object_row.h"
#include "cli/output.h"
#include "cli/progress_line.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/container_changes.h"
#include "layerkit/imagetool/container_store.h"
#include "layerkit/imagetool/tree_changes.h"
#include "template.h"

namespace layerkit::cli {
namespace {

struct Options {
  std::string first;
  std::string second;
  std::string platform;
  std::string format;
};

void print_changes(Session& session, const std::string& container) {
  const ContainerInfo info = ContainerStore(session.store()).find(container);
  Store& layers = session.store().layers();
  const auto image = layers.view(layers.container_parent(info.id));
  const auto changes = committable_changes(layers, info.id, session.context);
  for (const auto& change : summarize_changes(*changes, *image)) {
    print_line(std::string(1, change_letter(change.kind)) + " " + escaped(change.path.absolute()));
  }
}

/// All fields are empty where there is nothing.
nlohmann::ordered_json side_row(const std::optional<Entry>& entry) {
  nlohmann::ordered_json row = object_row(entry.value_or(Entry()), false);
  if (entry) return row;
  for (auto& [field, value] : row.items())
    value = "";
  return row;
}

nlohmann::ordered_json change_row(const TreeChange& change) {
  nlohmann::ordered_json row = {{"Kind", std::string(1, change_letter(change.kind))},
                                {"Path", name_text(change.path.absolute())},
                                {"Changes", fmt::format("{}", fmt::join(change.changes, ", "))}};
  row["Before"] = side_row(change.before);
  row["After"] = side_row(change.after);
  return row;
}

std::string change_line(const TreeChange& change) {
  std::string line =
      std::string(1, change_letter(change.kind)) + " " + escaped(change.path.absolute());
  if (!change.changes.empty()) line += fmt::format(" ({})", fmt::join(change.changes, ", "));
  return line;
}

void print_difference(Session& session, const Options& options) {
  std::optional<Template> format;
  if (!options.format.empty()) {
    format = Template::parse(options.format == "json" ? "{{json .}}" : options.format);
  }
  ProgressLine line;
  const Context context = line.attach(session.context);
  const auto before = open_image(session, {options.first, options.platform}, context);
  const auto after = open_image(session, {options.second, options.platform}, context);
  const auto old_tree = before->tree();
  const auto new_tree = after->tree();
  line.finish();
  compare_trees(
      *old_tree, *new_tree,
      [&](const TreeChange& change) {
        print_line(format ? format->render(change_row(change), Template::Strings::Escaped)
                          : change_line(change));
      },
      session.context);
}

void print_diff(Session& session, const Options& options) {
  if (!options.second.empty()) return print_difference(session, options);
  if (!options.format.empty() || !options.platform.empty()) {
    fail(Errc::Invalid, "--format and --platform are for two images");
  }
  print_changes(session, options.first);
}

}  // namespace

void add_diff(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("diff",
                         "Inspect changes to files on a container's filesystem, or compare two "
                         "images")
          ->group(kContainers);
  command->footer(std::string("A: added   C: changed   D: deleted\n\n") + kImageArgumentHelp);
  auto options = std::make_shared<Options>();
  command
      ->add_option("--format", options->format,
                   "Of two images: 'json', one object a line, or a TEMPLATE such as '{{.Path}}'")
      ->type_name("FORMAT");
  command
      ->add_option("--platform", options->platform,
                   "Of images for several platforms, take this one (default: this machine's)")
      ->type_name("OS/ARCH[/VARIANT]");
  command->add_option("container", options->first, "Container, or the image before")
      ->type_name("CONTAINER|IMAGE")
      ->required();
  command->add_option("image", options->second, "The image after")->type_name("IMAGE");
  command->callback([&session, options] { print_diff(session, *options); });
}

}  // namespace layerkit::cli
