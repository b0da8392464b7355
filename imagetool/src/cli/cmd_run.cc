#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/run_options.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"

namespace layerkit::cli {
namespace {

/// Docker's exit codes for a container that did not start.
int failure_code(StartFailure failure) {
  switch (failure) {
    case StartFailure::NotExecutable:
      return 126;
    case StartFailure::NotFound:
      return 127;
    case StartFailure::Setup:
      break;
  }
  return 125;
}

/// A file that receives the ID. Made before the container, so that an existing one is refused.
class CidFile {
 public:
  explicit CidFile(const std::string& path) : path_(path) {
    if (path_.empty()) return;
    file_ = open_at(AT_FDCWD, path_, O_WRONLY | O_CREAT | O_EXCL, 0644);
  }
  CidFile(const CidFile&) = delete;
  CidFile& operator=(const CidFile&) = delete;
  /// Without an ID in it, it would only be in the way of the next attempt.
  ~CidFile() {
    if (file_ && !written_) ::unlink(path_.c_str());
  }
  void write(const std::string& id) {
    if (!file_) return;
    write_all(file_.get(), id, path_);
    written_ = true;
  }
  void discard() noexcept { written_ = false; }

 private:
  std::string path_;
  Fd file_;
  bool written_ = false;
};

void run_created(Session& session,
                 ContainerStore& store,
                 const ContainerInfo& container,
                 const RunOptions& options,
                 StartFailure& failure) {
  flush_output();  // the monitor process must not inherit what was printed
  if (options.detach) {
    run_in_background(store, container, &failure, session.context);
    print_line(container.id);
    return;
  }
  Foreground foreground;
  foreground.input = options.interactive ? STDIN_FILENO : -1;
  foreground.signals = options.proxy_signals ? SignalProxy::Forward : SignalProxy::Ignore;
  session.exit_code =
      run_in_foreground(store, container, foreground, &failure, session.context).code;
}

/// A container starts with the limit of open files that this program was started with.
void keep_descriptor_limit(const Session& session, HostOptions& options) {
  const auto& limit = session.container_descriptors;
  if (!limit) return;
  const bool given = std::ranges::any_of(
      options.ulimits, [&](const Rlimit& asked) { return asked.resource == limit->resource; });
  if (!given) options.ulimits.push_back(*limit);
}

void run(Session& session, const RunOptions& options, const std::string& image) {
  std::vector<std::string> arguments = {image};
  arguments.insert(arguments.end(), session.command_arguments.begin(),
                   session.command_arguments.end());
  RunRequest request = to_request(options, arguments);
  keep_descriptor_limit(session, request.options);
  CidFile cidfile(options.cidfile);
  ContainerStore store(session.store());
  StartFailure failure = StartFailure::Setup;
  try {
    require_mountable(session.store().layers(), request.backend);
    const ContainerInfo container = create_container(store, request, session.context);
    cidfile.write(container.id);
    run_created(session, store, container, options, failure);
  } catch (const Error&) {
    cidfile.discard();
    session.failure_exit_code = failure_code(failure);
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
  declare_run_options(*command, options->run);
  add_mount_backend_option(*command, options->run.mount_backend);
  command->add_option("image", options->image, "Image")->type_name("IMAGE")->required();
  // For the usage line; what follows IMAGE is never parsed: prepare_command_line takes it away.
  command->add_option(kCommandPositional, options->command, "Command and its arguments")
      ->type_name("COMMAND [ARG...]");
  command->preparse_callback([&session](std::size_t) {
    // As docker: whatever goes wrong before the container's process runs is 125.
    session.usage_exit_code = session.failure_exit_code = 125;
  });
  command->callback([&session, options] { run(session, options->run, options->image); });
}

}  // namespace layerkit::cli
