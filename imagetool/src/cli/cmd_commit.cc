#include <cstdlib>
#include <memory>

#include "cli/commands.h"
#include "cli/image_target.h"
#include "cli/output.h"
#include "layerkit/imagetool/container_commit.h"

namespace layerkit::cli {
namespace {

struct CommitOptions {
  CommitRequest request;
  std::string container;
  std::string name;
  bool pause = true;
};

void commit(Session& session, CommitOptions& options) {
  if (!options.name.empty()) options.request.name = ImageName::parse(options.name);
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody sets variables here
  options.request.source_date_epoch = parse_source_date_epoch(std::getenv("SOURCE_DATE_EPOCH"));
  if (!options.pause) options.request.pause = PauseWhileRead::No;
  ContainerStore store(session.store_with("container", options.container));
  const ContainerInfo container = store.find(options.container);
  print_line(commit_container(store, container, options.request, session.context).str());
}

}  // namespace

void add_commit(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand("commit", "Create a new image from a container's changes")
                          ->group(kContainers);
  auto options = std::make_shared<CommitOptions>();
  command->add_option("-a,--author", options->request.author, "Author")->type_name("TEXT");
  add_change_option(*command, options->request.changes);
  command->add_option("-m,--message", options->request.message, "Commit message")
      ->type_name("TEXT");
  command->add_flag("-p,--pause", options->pause,
                    "Pause the container during commit (default); --pause=false lets it run");
  command->add_flag_callback(
      "--drop-unchanged", [options] { options->request.layer.unchanged = Unchanged::Drop; },
      "Leave out files that were written to, but are as in the image");
  command->add_flag_callback(
      "--allow-drop",
      [options] { options->request.layer.reserved_names = ReservedNames::DropWithWarning; },
      "Leave out names starting with .wh., which no layer can hold, instead of failing");
  command->add_option("container", options->container, "Container")
      ->type_name("CONTAINER")
      ->required();
  command->add_option("name", options->name, "Name of the new image")->type_name("NAME[:TAG]");
  command->callback([&session, options] { commit(session, *options); });
}

}  // namespace layerkit::cli
