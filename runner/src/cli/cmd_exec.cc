#include <fcntl.h>

#include <memory>
#include <optional>

#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/foreground.h"
#include "cli/inherited_descriptors.h"
#include "layerkit/base/byte_stream.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"
#include "layerkit/runner/oci_config.h"

namespace layerkit::cli {
namespace {

struct Arguments {
  ExecRequest request;
  std::vector<std::string> command;
  std::string process_file;
  std::string cwd;
  std::vector<std::string> env;
  std::string user;
  std::vector<std::uint32_t> additional_gids;
  std::vector<std::string> capabilities;
  std::string apparmor;
  std::string process_label;
  unsigned preserved = 0;
  bool terminal = false;
  bool no_new_privileges = false;
  bool detach = false;
  bool no_subreaper = false;
};

/// A failure of exec itself, so that it is not taken for one of the program.
constexpr int kFailed = 255;

std::uint32_t parse_id(std::string_view text, const std::string& user) {
  const auto number = parse_decimal(text);
  if (!number || *number > UINT32_MAX - 1)
    fail(Errc::Invalid, "reading user {}: not a number UID or two numbers UID:GID",
         layerkit::quoted(user));
  return static_cast<std::uint32_t>(*number);
}

void apply_user(ProcessSpec& process, const std::string& user) {
  const std::vector<std::string_view> parts = split(user, ':');
  if (parts.size() > 2)
    fail(Errc::Invalid, "reading user {}: not a number UID or two numbers UID:GID",
         layerkit::quoted(user));
  process.uid = parse_id(parts[0], user);
  if (parts.size() == 2) process.gid = parse_id(parts[1], user);
}

void add_capability(std::vector<std::string>& set, const std::string& name) {
  if (std::find(set.begin(), set.end(), name) == set.end()) set.push_back(name);
}

ProcessSpec read_process_file(const std::string& path, const Context& context) {
  const Fd file = open_at(AT_FDCWD, path, O_RDONLY);
  FdSource source(file.get(), path);
  return read_oci_process(read_all(source, kMaxOciConfig, path), context);
}

/// What the container's own process has, but for what was said.
ProcessSpec process_of(const Runtime& runtime, Arguments& arguments) {
  ProcessSpec process = runtime.process_of(arguments.request.id);
  process.args = arguments.command;
  process.terminal = arguments.terminal;
  process.console_size.reset();
  if (!arguments.cwd.empty()) process.cwd = arguments.cwd;
  for (const std::string& variable : arguments.env)
    process.env.push_back(variable);
  if (!arguments.user.empty()) apply_user(process, arguments.user);
  for (const std::uint32_t gid : arguments.additional_gids)
    process.additional_gids.push_back(gid);
  if (arguments.no_new_privileges) process.no_new_privileges = true;
  // Never inheritable (CVE-2022-29162).
  for (const std::string& name : arguments.capabilities) {
    Capabilities& sets = process.capabilities;
    for (auto* set : {&sets.bounding, &sets.effective, &sets.permitted})
      add_capability(*set, name);
    // Where the container has it inheritable, it goes on to programs that know nothing of it.
    const auto& inheritable = sets.inheritable;
    if (std::find(inheritable.begin(), inheritable.end(), name) != inheritable.end())
      add_capability(sets.ambient, name);
  }
  if (!arguments.apparmor.empty()) process.apparmor_profile = arguments.apparmor;
  if (!arguments.process_label.empty()) process.selinux_label = arguments.process_label;
  return process;
}

void exec(Session& session, Arguments& arguments) {
  session.failure_exit_code = kFailed;
  arguments.command.insert(arguments.command.end(), session.command_arguments.begin(),
                           session.command_arguments.end());
  const Runtime runtime = session.runtime();
  ExecRequest& request = arguments.request;
  if (!arguments.process_file.empty()) {
    request.process = read_process_file(arguments.process_file, session.context);
    if (arguments.terminal) request.process.terminal = true;
  } else {
    if (arguments.command.empty())
      fail(Errc::Invalid, "process args cannot be empty: exec needs a command or --process");
    request.process = process_of(runtime, arguments);
  }
  request.preserved = inherited_descriptors(arguments.preserved, &request.process.env);
  request.keeps_terminal = !arguments.detach && request.console_socket.empty();
  StartFailure failure = StartFailure::Setup;
  std::optional<HeldSignals> held;
  if (!arguments.detach) held.emplace();
  const std::unique_ptr<StartedProcess> process =
      runtime.exec(std::move(request), failure, session.context);
  if (arguments.detach) return;
  session.exit_code = stay_in_foreground(*process, std::nullopt, [] {}).code;
}

}  // namespace

void add_exec(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("exec", "Run another process in a container")->group(kProcesses);
  command->footer("The exit code is that of the process, or 255 when it could not be started.");
  auto arguments = std::make_shared<Arguments>();
  command->add_option("container", arguments->request.id, "Container")
      ->type_name("CONTAINER")
      ->required();
  command->add_option(kCommandPositional, arguments->command, "Command and its arguments")
      ->type_name("COMMAND [ARG]");
  command
      ->add_option("-p,--process", arguments->process_file,
                   "File with the process as config.json has it, instead of a command")
      ->type_name("FILE");
  command->add_flag("-t,--tty", arguments->terminal, "Give it a terminal");
  command->add_flag("-d,--detach", arguments->detach, "Do not wait until it ends");
  command->add_option("--cwd", arguments->cwd, "Working directory in the container")
      ->type_name("DIR");
  command->add_option("-e,--env", arguments->env, "Environment variable KEY=VALUE; may be repeated")
      ->type_name("VARIABLE")
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  command->add_option("-u,--user", arguments->user, "User and group")->type_name("UID[:GID]");
  command
      ->add_option("-g,--additional-gids", arguments->additional_gids,
                   "Another group; may be repeated")
      ->type_name("GID")
      ->allow_extra_args(false)
      ->delimiter(',')
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  command
      ->add_option("-c,--cap", arguments->capabilities,
                   "Another capability (CAP_...); may be repeated")
      ->type_name("CAPABILITY")
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  command->add_flag("--no-new-privs", arguments->no_new_privileges, "Set no_new_privs");
  command->add_option("--apparmor", arguments->apparmor, "AppArmor profile")->type_name("PROFILE");
  command->add_option("--process-label", arguments->process_label, "SELinux label")
      ->type_name("LABEL");
  command->add_option("--cgroup", arguments->request.cgroup, "Cgroup below the container's")
      ->type_name("PATH");
  command
      ->add_option("--console-socket", arguments->request.console_socket,
                   "Unix socket that gets the master of the terminal")
      ->type_name("FILE");
  command->add_option("--pid-file", arguments->request.pid_file, "File for the process ID")
      ->type_name("FILE");
  command
      ->add_option("--pidfd-socket", arguments->request.pidfd_socket,
                   "Unix socket that gets a pidfd of the process")
      ->type_name("FILE");
  command
      ->add_option("--preserve-fds", arguments->preserved,
                   "Descriptors that the process gets beside its standard streams")
      ->type_name("NUMBER")
      ->default_str("0")
      ->check(CLI::Range(0U, 1024U));
  command->add_flag("--ignore-paused", arguments->request.ignores_pause,
                    "Start it in a paused container, too");
  command->add_flag("--no-subreaper", arguments->no_subreaper, "Ignored")->group(kHidden);
  command->callback([&session, arguments] { exec(session, *arguments); });
}

}  // namespace layerkit::cli
