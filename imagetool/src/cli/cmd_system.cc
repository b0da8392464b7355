#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/image_facts.h"
#include "cli/listing.h"
#include "cli/output.h"
#include "layerkit/imagetool/disk_usage.h"
#include "time_format.h"

namespace layerkit::cli {
namespace {

using nlohmann::ordered_json;

struct DfOptions {
  bool verbose = false;
  ListingChoice listing;
};

/// "1.2MB (45%)"; no share of nothing.
std::string reclaimable(std::uint64_t part, std::uint64_t whole) {
  if (whole == 0) return human_size(part);
  const double share = static_cast<double>(part) * 100 / static_cast<double>(whole);
  return fmt::format("{} ({}%)", human_size(part), static_cast<int>(share));
}

ordered_json summary_row(const char* type,
                         std::size_t total,
                         std::size_t active,
                         std::uint64_t size,
                         std::uint64_t may_go) {
  return {{"Active", std::to_string(active)},
          {"Reclaimable", reclaimable(may_go, size)},
          {"Size", human_size(size)},
          {"TotalCount", std::to_string(total)},
          {"Type", type}};
}

std::vector<ordered_json> summary_rows(const DiskUsage& usage) {
  std::size_t used_images = 0;
  for (const ImageUsage& image : usage.images)
    used_images += image.containers > 0 ? 1U : 0U;
  std::size_t running = 0;
  std::uint64_t containers = 0;
  std::uint64_t stopped = 0;
  for (const ContainerUsage& container : usage.containers) {
    const bool runs = container.state.status == ContainerStatus::Running;
    running += runs ? 1U : 0U;
    containers += container.size;
    stopped += runs ? 0U : container.size;
  }
  std::uint64_t volumes = 0;
  for (const VolumeUsage& volume : usage.volumes)
    volumes += volume.size;
  return {summary_row("Images", usage.images.size(), used_images, usage.layers_size,
                      usage.layers_reclaimable),
          summary_row("Containers", usage.containers.size(), running, containers, stopped),
          // Each belongs to a container and goes with it.
          summary_row("Local Volumes", usage.volumes.size(), usage.volumes.size(), volumes, 0)};
}

void print_summary(const DiskUsage& usage, const ListingChoice& choice) {
  static const ListingStyle kStyle{
      {{"Type", "TYPE"},
       {"TotalCount", "TOTAL"},
       {"Active", "ACTIVE"},
       {"Size", "SIZE"},
       {"Reclaimable", "RECLAIMABLE"}},
      "{{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}",
      "Type"};
  print(render_listing(kStyle, choice, summary_rows(usage)));
}

std::string age_of(const std::optional<Timestamp>& time) {
  return time ? human_age(*time, current_time()) : "N/A";
}

void print_images(const DiskUsage& usage) {
  static const ListingStyle kStyle{
      {{"Repository", "REPOSITORY"},
       {"Tag", "TAG"},
       {"ID", "IMAGE ID"},
       {"Created", "CREATED"},
       {"Size", "SIZE"},
       {"Shared", "SHARED SIZE"},
       {"Unique", "UNIQUE SIZE"},
       {"Containers", "CONTAINERS"}},
      "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.Created}}\t{{.Size}}\t{{.Shared}}\t{{.Unique}}\t"
      "{{.Containers}}",
      "ID"};
  std::vector<ordered_json> rows;
  for (const ImageUsage& image : usage.images) {
    const auto& names = image.record.names;
    rows.push_back({{"Repository", names.empty() ? "<none>" : names.front().repository()},
                    {"Tag", names.empty() ? "<none>" : names.front().tag()},
                    {"ID", short_id(image.record.image.id())},
                    {"Created", age_of(created_time(image.record.image))},
                    {"Size", human_size(image.size)},
                    {"Shared", human_size(image.shared)},
                    {"Unique", human_size(image.unique)},
                    {"Containers", std::to_string(image.containers)}});
  }
  print("Images space usage:\n\n" + render_listing(kStyle, {}, rows));
}

void print_containers(const DiskUsage& usage) {
  static const ListingStyle kStyle{
      {{"ID", "CONTAINER ID"},
       {"Image", "IMAGE"},
       {"Volumes", "LOCAL VOLUMES"},
       {"Size", "SIZE"},
       {"Created", "CREATED"},
       {"Status", "STATUS"},
       {"Names", "NAMES"}},
      "{{.ID}}\t{{.Image}}\t{{.Volumes}}\t{{.Size}}\t{{.Created}}\t{{.Status}}\t{{.Names}}",
      "ID"};
  constexpr std::size_t kShortId = 12;
  std::vector<ordered_json> rows;
  for (const ContainerUsage& container : usage.containers) {
    rows.push_back({{"ID", container.info.id.substr(0, kShortId)},
                    {"Image", container.info.image_name},
                    {"Volumes", std::to_string(container.info.volumes.size())},
                    {"Size", human_size(container.size)},
                    {"Created", age_of(parse_rfc3339(container.info.created))},
                    {"Status", status_name(container.state.status)},
                    {"Names", container.info.name}});
  }
  print("\nContainers space usage:\n\n" + render_listing(kStyle, {}, rows));
}

void print_volumes(const DiskUsage& usage) {
  static const ListingStyle kStyle{
      {{"Container", "CONTAINER"}, {"Destination", "DESTINATION"}, {"Size", "SIZE"}},
      "{{.Container}}\t{{.Destination}}\t{{.Size}}",
      "Container"};
  std::vector<ordered_json> rows;
  for (const VolumeUsage& volume : usage.volumes) {
    rows.push_back({{"Container", volume.container},
                    {"Destination", volume.volume.destination},
                    {"Size", human_size(volume.size)}});
  }
  print("\nLocal Volumes space usage:\n\n" + render_listing(kStyle, {}, rows));
}

void print_usage(Session& session, const DfOptions& options) {
  if (options.verbose && !options.listing.format.empty()) {
    fail(Errc::Invalid, "--verbose and --format cannot be used together");
  }
  DiskUsage usage;
  if (session.has_store()) {
    usage = measure_disk_usage(session.store(), ContainerStore(session.store()));
  }
  if (!options.verbose) return print_summary(usage, options.listing);
  print_images(usage);
  print_containers(usage);
  print_volumes(usage);
}

}  // namespace

void add_system(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand("system", "Manage the store as a whole")->group(kSystem);
  command->require_subcommand(1);
  CLI::App* df = command->add_subcommand("df", "Show disk usage")->group(kSystem);
  auto options = std::make_shared<DfOptions>();
  add_format_option(*df, options->listing.format);
  df->add_flag("-v,--verbose", options->verbose, "Show every image, container and volume");
  df->callback([&session, options] { print_usage(session, *options); });
}

}  // namespace layerkit::cli
