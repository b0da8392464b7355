#include <csignal>
#include <memory>
#include <optional>

#include "cli/commands.h"
#include "cli/foreground.h"
#include "cli/make_container.h"
#include "cli/output.h"
#include "cli/run_options.h"

namespace layerkit::cli {
namespace {

void run_created(Session& session,
                 ContainerStore& store,
                 const ContainerInfo& container,
                 const RunOptions& options,
                 const Foreground& foreground,
                 StartFailure& failure) {
  flush_output();  // the monitor process must not inherit what was printed
  if (options.detach) {
    run_in_background(store, container, &failure, session.context);
    print_line(container.id);
    return;
  }
  if (options.tty) {
    report_end(session, run_attached(store, container, foreground, &failure, session.context));
    return;
  }
  session.exit_code =
      run_in_foreground(store, container, foreground, &failure, session.context).code;
}

void run(Session& session, const RunOptions& options, const std::string& image) {
  Foreground foreground;
  if (!options.detach) {
    foreground = make_foreground({.input = options.interactive,
                                  .proxy_signals = options.proxy_signals,
                                  .detach_keys = options.detach_keys},
                                 options.tty);
  }
  ContainerStore store(session.store_with("image", image));
  CidFile cidfile(options.cidfile);
  StartFailure failure = StartFailure::Setup;
  std::optional<ContainerInfo> container;
  try {
    container = make_container(session, store, options, image, cidfile);
    run_created(session, store, *container, options, foreground, failure);
  } catch (const Error& error) {
    // As docker: a container that is there keeps its file, whatever happened later.
    if (!container || !store.state(container->id)) cidfile.discard();
    session.failure_exit_code =
        error.code() == Errc::Interrupted ? 128 + SIGINT : exit_code_of(failure);
    throw;
  }
}

}  // namespace

void add_run(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("run", "Create and run a new container from an image")->group(kContainers);
  command->set_help_flag("--help", "Print usage");
  struct Options {
    RunOptions run;
    std::string image;
    std::string command;
  };
  auto options = std::make_shared<Options>();
  declare_create_options(*command, options->run);
  declare_run_options(*command, options->run);
  add_mount_backend_option(*command, options->run.mount_backend);
  declare_image_and_command(*command, options->image, options->command);
  command->preparse_callback([&session](std::size_t) {
    // As docker: whatever goes wrong before the container's process runs is 125.
    session.usage_exit_code = session.failure_exit_code = 125;
  });
  command->callback([&session, options] { run(session, options->run, options->image); });
}

}  // namespace layerkit::cli
