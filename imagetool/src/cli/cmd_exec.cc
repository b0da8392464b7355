#include <csignal>
#include <memory>

#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/foreground.h"
#include "cli/make_container.h"
#include "cli/repeated_option.h"
#include "layerkit/imagetool/container_exec.h"

namespace layerkit::cli {
namespace {

struct ExecOptions {
  ContainerCommand command;
  std::vector<std::string> env;
  std::vector<std::string> env_files;
  std::string container;
  std::string words;
  bool detach = false;
  bool interactive = false;
};

void exec(Session& session, ExecOptions& options) {
  ContainerCommand& command = options.command;
  command.args = session.command_arguments;
  if (command.args.empty()) fail(Errc::Invalid, "exec: a command is required");
  command.env = read_environment(options.env_files, options.env);
  const ContainerStore store(session.store_with("container", options.container));
  const ContainerInfo container = store.find(options.container);
  std::optional<StartFailure> failure;
  try {
    if (options.detach) {
      exec_in_background(store, container, command, failure, session.context);
      return;
    }
    const Foreground foreground = make_foreground(
        {.input = options.interactive, .proxy_signals = true, .detach_keys = {}}, command.tty);
    session.exit_code =
        exec_in_foreground(store, container, command, foreground, failure, session.context).code;
  } catch (const Error& error) {
    // As docker: 126 for what the runtime could not do, 1 for what was not tried; in the background
    // always 1: its client then knows of no exit code.
    if (error.code() == Errc::Interrupted) {
      session.failure_exit_code = 128 + SIGINT;
    } else if (failure && !options.detach) {
      session.failure_exit_code = std::max(126, exit_code_of(*failure));
    }
    throw;
  }
}

}  // namespace

void add_exec(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("exec", "Execute a command in a running container")->group(kContainers);
  auto options = std::make_shared<ExecOptions>();
  command->add_flag("-d,--detach", options->detach, "Run it in the background, without streams");
  add_repeated_option(*command, "-e,--env", options->env, "Set environment variables")
      ->type_name("NAME[=VALUE]");
  add_repeated_option(*command, "--env-file", options->env_files, "Read environment variables from")
      ->type_name("FILE");
  command->add_flag("-i,--interactive", options->interactive, "Pass standard input on");
  command->add_flag("--privileged", options->command.privileged,
                    "Give extended privileges to the command");
  command->add_flag("-t,--tty", options->command.tty, "Give it a terminal");
  command->add_option("-u,--user", options->command.user, "User and group, by name or ID")
      ->type_name("USER[:GROUP]");
  command->add_option("-w,--workdir", options->command.working_dir, "Working directory")
      ->type_name("PATH");
  command->add_option("container", options->container, "Container")
      ->type_name("CONTAINER")
      ->required();
  command->add_option(kCommandPositional, options->words, "Command and its arguments")
      ->type_name("COMMAND [ARG...]");
  command->callback([&session, options] { exec(session, *options); });
}

}  // namespace layerkit::cli
