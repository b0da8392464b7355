#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <limits>
#include <memory>

#include "control/control_server.h"
#include "control/message.h"
#include "control/run_directory.h"
#include "control/socket.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"
#include "layerkit/unionmount/fuse_union.h"
#include "layerkit/unionmount/union_server.h"
#include "mount_api.h"
#include "server/server_config.h"
#include "server/supervisor.h"

namespace layerkit {
namespace {

constexpr int kUsageExitCode = 2;

ServerConfig read_config(const std::vector<std::string>& arguments) {
  const auto number = arguments.size() == 2 ? parse_decimal(arguments[1]) : std::nullopt;
  if (!number || arguments[0] != kConfigOption || *number > std::numeric_limits<int>::max())
    fail(Errc::Invalid, "the server of a union is started by the one who mounts it");
  const Fd config(static_cast<int>(*number));
  std::string text(stat_fd(config.get()).size, '\0');
  if (text.size() > kMaxServerConfigBytes) fail(Errc::Limit, "the union is too large to serve");
  const ssize_t got = ::pread(config.get(), text.data(), text.size(), 0);
  if (got < 0) fail_errno(errno, "reading what to serve");
  text.resize(static_cast<std::size_t>(got));
  return parse_server_config(text);
}

void set_up_process(const char* name) {
  ::prctl(PR_SET_NAME, name);
  // Modes come from those who use the union.
  ::umask(0);
}

/// Branches, open files and handles all take descriptors.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

/// Tells the one who mounts; not after it has gone.
void tell(int ready, const std::string& text) noexcept {
  try {
    send_message(ready, text);
  } catch (const Error&) {  // NOLINT(bugprone-empty-catch): see above
  }
}

int serve(const ServerConfig& config, const RunDirectory& directory, UnionFacts facts, Fd ready) {
  try {
    std::unique_ptr<ControlServer> control_server;
    UnionServerOptions options;
    options.on_control = [&](UnionControl* control) {
      control_server.reset();
      if (control == nullptr) return;
      control_server = std::make_unique<ControlServer>(*control, directory, facts);
      tell(ready.get(), "ready " + directory.id());
      ready.reset();
    };
    UnionSpec spec = adopt_spec(config);
    facts.settings = spec.aufs;
    serve_fuse_union(std::move(spec), Fd(config.fuse_fd), std::move(options));
    return 0;
  } catch (const Error& error) {
    if (ready) tell(ready.get(), format_error(error));
  } catch (const std::exception& error) {
    if (ready) tell(ready.get(), format_error(Error(Errc::Io, error.what())));
  }
  return 1;
}

/// The descriptors that are the server's alone: the connection ends with its last one.
void close_server_descriptors(const ServerConfig& config) {
  const Fd device(config.fuse_fd);
  const Fd work(config.work_fd);
  for (const ServerConfig::BranchEntry& branch : config.branches)
    Fd(branch.fd).reset();
}

/// REQUIRES: no threads.
int serve_supervised(const ServerConfig& config, Fd& ready) {
  RunDirectory directory = RunDirectory::create(config.id);
  const UnionFacts facts{.device = config.device, .supervisor = ::getpid(), .settings = {}};
  block_supervisor_signals();
  const pid_t server = ::fork();
  if (server < 0) fail_errno(errno, "making the process that serves the union");
  if (server == 0) {
    ignore_supervisor_signals();
    set_up_process("fuse-aufs");
    raise_descriptor_limit();
    const int code = serve(config, directory, facts, std::move(ready));
    directory.leave();
    return code;
  }
  close_server_descriptors(config);
  return supervise(server, config.device, std::move(directory), std::move(ready));
}

}  // namespace

int serve_union_from_arguments(const std::vector<std::string>& arguments) {
  static_cast<void>(std::signal(SIGPIPE, SIG_IGN));
  ::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
  set_up_process("fuse-aufs-watch");
  Fd ready;
  try {
    const ServerConfig config = read_config(arguments);
    ready = Fd(config.ready_fd);
    return serve_supervised(config, ready);
  } catch (const Error& error) {
    if (!ready) return kUsageExitCode;
    tell(ready.get(), format_error(error));
  }
  return 1;
}

}  // namespace layerkit
