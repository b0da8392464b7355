#include <unistd.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/image_facts.h"
#include "cli/listing.h"
#include "cli/output.h"
#include "layerkit/base/text.h"
#include "template.h"

namespace layerkit::cli {
namespace {

using nlohmann::ordered_json;

struct InspectOptions {
  std::string type;
  std::string format;
  std::vector<std::string> names;
};

/// Containers first, as docker looks.
ordered_json inspect_object(Session& session, const std::string& name, const std::string& type) {
  if (type != "image") {
    if (auto container = inspect_container(session, name)) return *std::move(container);
    if (type == "container") {
      fail(Errc::NotFound, "No such container: {}", escaped(name));
    }
  }
  try {
    ImageStore& store = session.store_with("image", name);
    return inspect_image(store, store.find(name));
  } catch (const Error& error) {
    if (error.code() != Errc::NotFound || type == "image") throw;
    fail(Errc::NotFound, "No such object: {}", escaped(name));
  }
}

void print_inspection(Session& session, const InspectOptions& options) {
  ordered_json found = ordered_json::array();
  for (const std::string& name : options.names) {
    session.attempt([&] { found.push_back(inspect_object(session, name, options.type)); });
  }
  if (options.format.empty()) {
    print_line(json_text(found, 4));
    return;
  }
  const bool json = options.format == "json";
  const Template format = Template::parse(json ? "{{json .}}" : options.format);
  const auto strings =
      ::isatty(STDOUT_FILENO) == 1 ? Template::Strings::Escaped : Template::Strings::Verbatim;
  for (const ordered_json& object : found) {
    print_line(format.render(object, strings));
  }
}

}  // namespace

void add_inspect(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("inspect", "Return low-level information on images and containers")
          ->group(kSystem);
  auto options = std::make_shared<InspectOptions>();
  add_format_option(*command, options->format, "-f,--format");
  command->add_option("--type", options->type, "Only look for objects of this type")
      ->type_name("image|container")
      ->check(CLI::IsMember({"image", "container"}));
  command->add_option("name", options->names, "Names or IDs")
      ->type_name("IMAGE|CONTAINER")
      ->required();
  command->callback([&session, options] { print_inspection(session, *options); });
}

}  // namespace layerkit::cli
