#include <algorithm>
#include <iostream>
#include <memory>

#include "cli/commands.h"
#include "cli/output.h"
#include "cli/repeated_option.h"
#include "image_filter.h"
#include "layerkit/imagetool/container_store.h"
#include "layerkit/imagetool/mount_table.h"
#include "time_format.h"

namespace layerkit::cli {
namespace {

struct PruneOptions {
  bool all = false;
  bool force = false;
  std::vector<std::string> filters;
};

/// In docker's words; nobody there to answer means no.
bool confirm(bool all) {
  print(all ? "WARNING! This will remove all images without at least one container associated to "
              "them.\n"
            : "WARNING! This will remove all dangling images.\n");
  print("Are you sure you want to continue? [y/N] ");
  flush_output();
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "y" || answer == "Y";
}

std::uint64_t print_pruned(const ImageStore::Pruned& pruned) {
  std::uint64_t size = 0;
  const bool has_any = !pruned.images.empty() || !pruned.layers.empty();
  if (has_any) print_line("Deleted Images:");
  for (const ImageName& name : pruned.untagged)
    print_line("untagged: " + name.str());
  for (const ImageId& image : pruned.images)
    print_line("deleted: " + image.str());
  for (const LayerInfo& layer : pruned.layers) {
    print_line("deleted: " + layer.chain.str());
    size += layer.size;
  }
  if (has_any) print_line("");
  return size;
}

void prune(Session& session, const PruneOptions& options) {
  PruneFilter filter;
  for (const std::string& text : options.filters)
    filter.add(text, current_time());
  const bool all = options.all || filter.dangling() == false;
  std::uint64_t size = 0;
  if ((options.force || confirm(all)) && session.has_store()) {
    // What killed commands left behind may hold on to layers.
    ContainerStore(session.store()).clean();
    MountTable(session.store()).clean();
    size = print_pruned(session.store().prune([&](const ImageStore::Record& record) {
      return (all || record.names.empty()) && filter.takes(record.image);
    }));
  }
  print_line("Total reclaimed space: " + human_size(size));
}

}  // namespace

void add_prune(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("prune", "Remove unused images, layers and leftovers")->group(kImages);
  auto options = std::make_shared<PruneOptions>();
  command->add_flag("-a,--all", options->all, "Remove all unused images, not just dangling ones");
  add_repeated_option(*command, "--filter", options->filters,
                      "Which images: until=TIME, label=KEY[=VALUE], label!=KEY[=VALUE]")
      ->type_name("FILTER");
  command->add_flag("-f,--force", options->force, "Do not prompt for confirmation");
  command->callback([&session, options] { prune(session, *options); });
}

}  // namespace layerkit::cli
