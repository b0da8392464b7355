#include <csignal>
#include <memory>

#include "cli/commands.h"
#include "cli/create_options.h"
#include "cli/foreground.h"
#include "cli/receipt.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"

namespace layerkit::cli {
namespace {

struct Arguments {
  CreateOptions create;
  bool detach = false;
  bool keep = false;
  bool no_subreaper = false;
  double timeout = 0;
  std::string receipt;
};

/// As timeout(1) has it.
constexpr int kTimedOut = 124;

/// Removes a container that was run in the foreground, whatever becomes of it.
class Removal {
 public:
  Removal(const Runtime& runtime, std::string id, const Context& context)
      : runtime_(runtime), id_(std::move(id)), context_(context) {
    context_.interrupted = nullptr;  // that is one reason to remove it
  }
  Removal(const Removal&) = delete;
  Removal& operator=(const Removal&) = delete;
  ~Removal() {
    if (id_.empty()) return;
    try {
      runtime_.remove(id_, true, context_);
    } catch (const Error& error) {
      context_.warn(error.message());
    }
  }
  void now() { runtime_.remove(std::exchange(id_, {}), true, context_); }
  void never() { id_.clear(); }

 private:
  const Runtime& runtime_;
  std::string id_;
  Context context_;
};

/// What cannot be written is told: the exit code is the container's.
void write_receipt(const Receipt& receipt,
                   const Runtime& runtime,
                   const std::string& id,
                   ExitStatus status,
                   bool timed_out,
                   const Context& context) {
  std::optional<CgroupStats> stats;
  try {
    status.out_of_memory = runtime.out_of_memory(id);
    stats = runtime.stats(id);
  } catch (const Error& error) {
    // Without a cgroup nothing was counted.
    if (error.code() != Errc::NotFound) context.warn(error.message());
  }
  try {
    receipt.write(status, timed_out, stats);
  } catch (const Error& error) {
    context.warn(error.message());
  }
}

void run(Session& session, Arguments& arguments) {
  const Runtime runtime = session.runtime();
  const std::string id = arguments.create.request.id;
  Receipt receipt(arguments.receipt);
  CreateRequest request = arguments.create.take();
  request.keeps_terminal = !arguments.detach && request.console_socket.empty();
  request.rootless_owner = enter_user_namespace(request, session.context);
  StartFailure failure = StartFailure::Setup;
  const std::unique_ptr<StartedProcess> process =
      runtime.run(std::move(request), failure, session.context);
  Removal removal(runtime, id, session.context);
  receipt.started();
  const HeldSignals held;
  if (arguments.detach) {
    session.context.check_interrupted();  // by one that came before
    removal.never();
    return;
  }
  // One that came too late to stop the start is the process's, as all later ones are.
  if (const int number = *session.interrupting_signal; number != 0) process->signal(number);
  std::optional<int> timeout;
  if (arguments.timeout > 0) timeout = static_cast<int>(arguments.timeout * 1000);
  bool timed_out = false;
  ExitStatus status = stay_in_foreground(*process, timeout, [&] {
    timed_out = true;
    session.context.warn(fmt::format("container {} is killed: it took longer than {} seconds",
                                     layerkit::quoted(id), arguments.timeout));
    runtime.kill(id, SIGKILL, true);
  });
  session.exit_code = timed_out ? kTimedOut : status.code;
  if (receipt.is_wanted()) write_receipt(receipt, runtime, id, status, timed_out, session.context);
  if (arguments.keep) {
    removal.never();
  } else {
    removal.now();
  }
}

}  // namespace

void add_run(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("run", "Create a container, start it and wait until it ends")
          ->group(kContainers);
  command->footer(
      "The exit code is that of the container's process, or 128 plus the number of the signal\n"
      "that ended it.");
  auto arguments = std::make_shared<Arguments>();
  add_create_options(*command, arguments->create);
  command->add_flag("-d,--detach", arguments->detach, "Do not wait until it ends");
  command->add_flag("--keep", arguments->keep, "Do not delete it when it has ended");
  command->add_flag("--no-subreaper", arguments->no_subreaper,
                    "Ignored: this program adopts no processes");
  command
      ->add_option("--timeout", arguments->timeout,
                   "Kill the container after that many seconds; the exit code is then 124")
      ->type_name("SECONDS")
      ->check(CLI::Range(0.0, 1e6));
  command
      ->add_option("--receipt", arguments->receipt,
                   "File that gets, as JSON, how it ended and what it used")
      ->type_name("FILE");
  command->callback([&session, arguments] { run(session, *arguments); });
}

}  // namespace layerkit::cli
