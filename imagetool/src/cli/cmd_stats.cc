#include <array>
#include <chrono>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "cli/commands.h"
#include "cli/listing.h"
#include "cli/output.h"
#include "layerkit/imagetool/container_stats.h"
#include "time_format.h"

namespace layerkit::cli {
namespace {

using nlohmann::ordered_json;
using Samples = std::map<std::string, ContainerSample>;  // by ID

constexpr std::size_t kShortIdDigits = 12;
constexpr auto kInterval = std::chrono::seconds(1);

struct StatsOptions {
  std::vector<std::string> containers;
  std::string format;
  bool all = false;
  bool once = false;
  bool no_trunc = false;
};

/// Docker's sizes in powers of 1024: "1.953MiB".
std::string binary_size(std::uint64_t bytes) {
  constexpr std::array<const char*, 6> kUnits = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  auto size = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (size >= 1024 && unit + 1 < kUnits.size()) {
    size /= 1024;
    ++unit;
  }
  return fmt::format("{:.4g}{}", size, kUnits[unit]);
}

std::string percent(double value) {
  return fmt::format("{:.2f}%", value);
}

ordered_json stopped_row() {
  return {{"BlockIO", "-- / --"},  {"CPUPerc", "--"},    {"MemPerc", "--"},
          {"MemUsage", "-- / --"}, {"NetIO", "-- / --"}, {"PIDs", "--"}};
}

ordered_json running_row(const ContainerSample& before, const ContainerSample& now) {
  const double share = now.memory_limit == 0 ? 0
                                             : 100 * static_cast<double>(now.memory) /
                                                   static_cast<double>(now.memory_limit);
  return {{"BlockIO", human_size(now.read) + " / " + human_size(now.written)},
          {"CPUPerc", percent(cpu_percent_between(before, now))},
          {"MemPerc", percent(share)},
          {"MemUsage", binary_size(now.memory) + " / " + binary_size(now.memory_limit)},
          {"NetIO", human_size(now.received) + " / " + human_size(now.sent)},
          {"PIDs", std::to_string(now.processes)}};
}

std::vector<ContainerInfo> find_named(const ContainerStore& store, const StatsOptions& options) {
  std::vector<ContainerInfo> named;
  for (const auto& name : options.containers)
    named.push_back(store.find(name));
  return named;
}

/// As docker: one that was named stays in the table, also when it is removed meanwhile.
std::vector<ContainerInfo> select(const ContainerStore& store,
                                  const StatsOptions& options,
                                  const std::vector<ContainerInfo>& named) {
  if (!named.empty()) return named;
  std::vector<ContainerInfo> selected;
  for (auto& info : store.list()) {
    const auto state = store.state(info.id);
    if (state && (options.all || state->status == ContainerStatus::Running))
      selected.push_back(std::move(info));
  }
  return selected;
}

Samples take_samples(const ContainerStore& store, const std::vector<ContainerInfo>& selected) {
  Samples samples;
  for (const auto& info : selected) {
    if (const auto sample = sample_container(store, info)) samples.emplace(info.id, *sample);
  }
  return samples;
}

std::string render(const std::vector<ContainerInfo>& selected,
                   const StatsOptions& options,
                   const Samples& before,
                   const Samples& now) {
  static const ListingStyle kStyle{
      {{"Container", "CONTAINER"},
       {"ID", "CONTAINER ID"},
       {"Name", "NAME"},
       {"CPUPerc", "CPU %"},
       {"MemUsage", "MEM USAGE / LIMIT"},
       {"MemPerc", "MEM %"},
       {"NetIO", "NET I/O"},
       {"BlockIO", "BLOCK I/O"},
       {"PIDs", "PIDS"}},
      "{{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t"
      "{{.PIDs}}",
      "ID"};
  std::vector<ordered_json> rows;
  for (const auto& info : selected) {
    const auto sample = now.find(info.id);
    const auto earlier = before.find(info.id);
    ordered_json row = sample == now.end()
                           ? stopped_row()
                           : running_row(earlier == before.end() ? sample->second : earlier->second,
                                         sample->second);
    row["ID"] = options.no_trunc ? info.id : info.id.substr(0, kShortIdDigits);
    row["Container"] = row["ID"];
    row["Name"] = info.name;
    rows.push_back(std::move(row));
  }
  return render_listing(kStyle, {.quiet = false, .format = options.format}, rows);
}

/// Without a store: there may be one next time.
void show_none(Session& session, const StatsOptions& options) {
  if (!options.containers.empty()) session.store_with("container", options.containers.front());
  print(render({}, options, {}, {}));
}

void show(Session& session, const StatsOptions& options) {
  if (!session.has_store()) return show_none(session, options);
  const ContainerStore store(session.store());
  const std::vector<ContainerInfo> named = find_named(store, options);
  std::vector<ContainerInfo> selected = select(store, options, named);
  Samples before = take_samples(store, selected);
  render(selected, options, before, before);  // what is wrong with the format is said at once
  for (;;) {
    std::this_thread::sleep_for(kInterval);
    session.context.check_interrupted();
    selected = select(store, options, named);
    Samples now = take_samples(store, selected);
    // The screen is cleared for each table, as docker does.
    if (!options.once) print("\033[2J\033[H");
    print(render(selected, options, before, now));
    flush_output();
    if (options.once) return;
    before = std::move(now);
  }
}

}  // namespace

void add_stats(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand("stats", "Display a live stream of what containers use")
                          ->group(kContainers);
  auto options = std::make_shared<StatsOptions>();
  command->add_flag("-a,--all", options->all, "Show all containers (default: just running)");
  add_format_option(*command, options->format);
  command->add_flag("--no-stream", options->once, "Show one result only");
  command->add_flag("--no-trunc", options->no_trunc, "Don't truncate output");
  command->add_option("container", options->containers, "Containers")->type_name("CONTAINER");
  command->callback([&session, options] { show(session, *options); });
}

}  // namespace layerkit::cli
