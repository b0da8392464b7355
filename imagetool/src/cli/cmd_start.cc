#include <memory>

#include "cli/commands.h"
#include "cli/container_operands.h"
#include "cli/foreground.h"
#include "cli/output.h"
#include "layerkit/imagetool/container_run.h"

namespace layerkit::cli {
namespace {

struct StartOptions {
  std::vector<std::string> containers;
  ForegroundChoice choice;
  bool attach = false;
};

void start_one_attached(Session& session, const StartOptions& options) {
  if (options.containers.size() != 1)
    fail(Errc::Invalid, "you cannot start and attach multiple containers at once");
  const std::string& name = options.containers.front();
  ContainerStore store(session.store_with("container", name));
  store.clean();
  const ContainerInfo container = store.find(name);
  ForegroundChoice choice = options.choice;
  choice.input = choice.input && container.config.open_stdin;
  const Foreground foreground = make_foreground(choice, container.config.tty);
  const auto state = store.state(container.id);
  if (state && state->status == ContainerStatus::Running) {
    report_end(session, attach_container(store, container, foreground, session.context));
  } else if (container.config.tty) {
    report_end(session,
               layerkit::start_attached(store, container, foreground, nullptr, session.context));
  } else {
    session.exit_code =
        start_in_foreground(store, container, foreground, nullptr, session.context).code;
  }
}

void start(Session& session, const StartOptions& options) {
  const auto start_one = [&](ContainerStore& store, const ContainerInfo& container,
                             const std::string& name) {
    flush_output();  // the monitor process must not inherit what was printed
    start_in_background(store, container, nullptr, session.context);
    print_line(name);
  };
  work_on_containers(session, options.containers, start_one,
                     [](ContainerStore& store) { store.clean(); });
}

}  // namespace

void add_start(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("start", "Start one or more stopped containers")->group(kContainers);
  auto options = std::make_shared<StartOptions>();
  command->add_flag("-a,--attach", options->attach,
                    "Pass its output and signals on, exit with its exit code");
  add_detach_keys_option(*command, options->choice.detach_keys);
  command->add_flag("-i,--interactive", options->choice.input,
                    "As --attach, and pass standard input on, too");
  command->add_flag("--sig-proxy", options->choice.proxy_signals,
                    "With --attach: pass received signals on (default); --sig-proxy=false ignores "
                    "them");
  command->add_option("container", options->containers, "Containers")
      ->type_name("CONTAINER")
      ->required();
  command->callback([&session, options] {
    if (options->attach || options->choice.input) {
      start_one_attached(session, *options);
    } else {
      start(session, *options);
    }
  });
}

}  // namespace layerkit::cli
