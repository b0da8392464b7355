#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/listing.h"
#include "cli/output.h"
#include "cli/repeated_option.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/container_inspect.h"
#include "time_format.h"

namespace layerkit::cli {
namespace {

using nlohmann::ordered_json;

struct PsOptions {
  ListingChoice listing;
  bool all = false;
  bool latest = false;
  bool no_trunc = false;
  int last = -1;
  std::vector<std::string> filters;
};

constexpr std::size_t kShortIdDigits = 12;

/// One container as it is now.
struct Row {
  ContainerInfo info;
  ContainerState state;
};

/// What --filter leaves over: values of one key are alternatives, different keys add up.
class ContainerFilter {
 public:
  ContainerFilter(Session& session, const std::vector<std::string>& texts) {
    for (const auto& text : texts)
      add(session, text);
  }

  bool takes(const Row& row) const {
    return any(statuses_, [&](const auto& value) { return status_word(row.state) == value; }) &&
           any(names_,
               [&](const auto& value) { return row.info.name.find(value) != std::string::npos; }) &&
           any(ids_, [&](const auto& value) { return row.info.id.starts_with(value); }) &&
           any(images_, [&](const auto& value) { return row.info.image.str() == value; });
  }
  bool has_status() const { return !statuses_.empty(); }

 private:
  template <typename Matches>
  static bool any(const std::vector<std::string>& values, Matches&& matches) {
    return values.empty() || std::ranges::any_of(values, matches);
  }

  void add(Session& session, const std::string& text) {
    const auto equals = text.find('=');
    const std::string key = text.substr(0, equals);
    const std::string value = equals == std::string::npos ? "" : text.substr(equals + 1);
    if (key == "status") {
      statuses_.push_back(value);
    } else if (key == "name") {
      names_.push_back(value);
    } else if (key == "id") {
      ids_.push_back(value);
    } else if (key == "ancestor") {
      images_.push_back(session.store_with("image", value).find(value).image.id().str());
    } else {
      fail(Errc::Invalid, "reading filter {}: only status=, name=, id= and ancestor= are known",
           layerkit::quoted(text));
    }
  }

  std::vector<std::string> statuses_;
  std::vector<std::string> names_;
  std::vector<std::string> ids_;
  std::vector<std::string> images_;
};

std::string command_text(const ContainerInfo& info, bool no_trunc) {
  constexpr std::size_t kLimit = 20;
  std::string line;
  for (const auto& word : info.config.command_line()) {
    line += (line.empty() ? "" : " ") + escaped(word);
  }
  return "\"" + (no_trunc ? line : shortened(line, kLimit)) + "\"";
}

std::string labels_text(const ContainerInfo& info) {
  std::string text;
  for (const auto& [key, value] : info.config.labels) {
    text.append(text.empty() ? "" : ",").append(key).append("=").append(value);
  }
  return text;
}

/// "0.0.0.0:8080->80/tcp, ...", while it runs.
std::string ports_text(const Row& row) {
  std::string text;
  if (row.state.status != ContainerStatus::Running) return text;
  for (const auto& port : row.info.options.ports) {
    text += fmt::format("{}{}:{}->{}/{}", text.empty() ? "" : ", ",
                        port.host_ip.empty() ? "0.0.0.0" : port.host_ip, port.host_port,
                        port.container_port, port.protocol);
  }
  return text;
}

ordered_json container_row(const Row& row, bool no_trunc) {
  const auto created = parse_rfc3339(row.info.created);
  return {{"Command", command_text(row.info, no_trunc)},
          {"CreatedAt", created ? format_local(*created) : "N/A"},
          {"ID", no_trunc ? row.info.id : row.info.id.substr(0, kShortIdDigits)},
          {"Image", row.info.image_name},
          {"Labels", labels_text(row.info)},
          {"Names", row.info.name},
          {"Ports", ports_text(row)},
          {"RunningFor", created ? human_age(*created, current_time()) : "N/A"},
          {"State", std::string(status_word(row.state))},
          {"Status", describe_status(row.state)}};
}

std::vector<Row> select_rows(ContainerStore& store,
                             const ContainerFilter& filter,
                             const PsOptions& options) {
  const int last = options.latest ? 1 : options.last;
  const bool only_running = !options.all && last < 0 && !filter.has_status();
  std::vector<Row> rows;
  for (auto& info : store.list()) {
    if (last >= 0 && rows.size() >= static_cast<std::size_t>(last)) break;
    const auto state = store.full_state(info);
    if (!state || (only_running && state->status != ContainerStatus::Running)) continue;
    Row row{std::move(info), *state};
    if (filter.takes(row)) rows.push_back(std::move(row));
  }
  return rows;
}

void print_containers(Session& session, const PsOptions& options) {
  static const ListingStyle kStyle{
      {{"ID", "CONTAINER ID"},
       {"Image", "IMAGE"},
       {"Command", "COMMAND"},
       {"CreatedAt", "CREATED AT"},
       {"RunningFor", "CREATED"},
       {"Status", "STATUS"},
       {"State", "STATE"},
       {"Ports", "PORTS"},
       {"Names", "NAMES"},
       {"Labels", "LABELS"}},
      "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}",
      "ID"};
  const ContainerFilter filter(session, options.filters);
  std::vector<ordered_json> rows;
  if (session.has_store()) {
    ContainerStore store(session.store());
    store.clean();
    for (const auto& row : select_rows(store, filter, options))
      rows.push_back(container_row(row, options.no_trunc));
  }
  print(render_listing(kStyle, options.listing, rows));
}

}  // namespace

void add_ps(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand("ps", "List containers")->group(kContainers);
  auto options = std::make_shared<PsOptions>();
  command->add_flag("-a,--all", options->all, "Show all containers (default: just running)");
  add_repeated_option(*command, "-f,--filter", options->filters,
                      "Filter output: status=, name=, id= or ancestor=")
      ->type_name("FILTER");
  add_format_option(*command, options->listing.format);
  command->add_option("-n,--last", options->last, "Show N last created containers")->type_name("N");
  command->add_flag("-l,--latest", options->latest, "Show the latest created container");
  command->add_flag("--no-trunc", options->no_trunc, "Don't truncate output");
  command->add_flag("-q,--quiet", options->listing.quiet, "Only display container IDs");
  command->callback([&session, options] { print_containers(session, *options); });
}

}  // namespace layerkit::cli
