#include <fcntl.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <limits>
#include <string_view>

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "server/start_program.h"

namespace layerkit {
namespace {

enum class Detach { No, Yes };

/// All that the child needs, made before it exists: between fork and exec only async-signal-safe
/// calls are allowed (signal-safety(7)).
class PreparedStart final {
 public:
  PreparedStart(const ProgramStart& program, Detach detach) : program_(program), detach_(detach) {
    for (const std::string& argument : program.arguments)
      argv_.push_back(argument.c_str());
    argv_.push_back(nullptr);
    // Ours come first: of two with one name, getenv(3) finds the first.
    for (const std::string& variable : program.environment)
      envp_.push_back(variable.c_str());
    for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable)
      if (!is_replaced(*variable)) envp_.push_back(*variable);
    envp_.push_back(nullptr);
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) < 0) fail_errno(errno, "making a pipe");
    report_read_ = Fd(ends[0]);
    report_write_ = Fd(ends[1]);
  }

  [[noreturn]] void run_in_child() const noexcept {
    if (detach_ == Detach::Yes) {
      ::setsid();
      // The grandchild is adopted by init, so that no caller has to wait for it.
      const pid_t grandchild = ::fork();
      if (grandchild < 0) give_up();
      if (grandchild > 0) ::_exit(0);
      if (::chdir("/") != 0) give_up();
      // A new session once more: the first one's leader has gone.
      ::setsid();
    }
    reset_signals();
    if (!arrange_descriptors()) give_up();
    // execve(2) takes what it does not change as if it might.
    ::execve(program_.path.c_str(), const_cast<char* const*>(argv_.data()),
             const_cast<char* const*>(envp_.data()));
    give_up();
  }

  /// The errno with which the child gave up, or 0 once the program runs. REQUIRES: no write end of
  /// the report is left in this process.
  int wait_for_exec() {
    report_write_.reset();
    int err = 0;
    ssize_t got = 0;
    do {
      got = ::read(report_read_.get(), &err, sizeof(err));
    } while (got < 0 && errno == EINTR);
    return got == static_cast<ssize_t>(sizeof(err)) ? err : 0;
  }

 private:
  bool is_replaced(std::string_view variable) const {
    const std::string_view name = variable.substr(0, variable.find('=') + 1);
    return std::ranges::any_of(program_.environment,
                               [&](const std::string& ours) { return ours.starts_with(name); });
  }

  [[noreturn]] void give_up() const noexcept {
    const int err = errno;
    static_cast<void>(::write(report_write_.get(), &err, sizeof(err)));
    ::_exit(127);
  }

  static void reset_signals() noexcept {
    struct sigaction standard = {};
    standard.sa_handler = SIG_DFL;
    for (int number = 1; number < NSIG; ++number)
      ::sigaction(number, &standard, nullptr);
    sigset_t none{};
    ::sigemptyset(&none);
    ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
  }

  bool arrange_descriptors() const noexcept {
    // close_range(2) marks all; those to inherit are unmarked again. The report closes on exec.
    if (::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) < 0) return false;
    const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0) return false;
    const int error_output = program_.standard_error >= 0 ? program_.standard_error : null;
    if (::dup2(error_output, 2) < 0 || ::dup2(null, 0) < 0 || ::dup2(null, 1) < 0) return false;
    return std::ranges::all_of(program_.descriptors,
                               [](int fd) { return ::fcntl(fd, F_SETFD, 0) == 0; });
  }

  const ProgramStart& program_;
  Detach detach_;
  std::vector<const char*> argv_;
  std::vector<const char*> envp_;
  Fd report_read_;
  Fd report_write_;
};

/// No handler of the caller may run in the child.
class BlockedSignals final {
 public:
  BlockedSignals() {
    sigset_t all{};
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  BlockedSignals(const BlockedSignals&) = delete;
  BlockedSignals& operator=(const BlockedSignals&) = delete;
  ~BlockedSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_{};
};

pid_t fork_and_run(const PreparedStart& start) {
  const BlockedSignals blocked;
  const pid_t child = ::fork();
  if (child == 0) start.run_in_child();
  if (child < 0) fail_errno(errno, "making a process");
  return child;
}

pid_t start(const ProgramStart& program, Detach detach) {
  PreparedStart prepared(program, detach);
  const pid_t child = fork_and_run(prepared);
  const int err = prepared.wait_for_exec();
  if (detach == Detach::Yes || err != 0) static_cast<void>(wait_for_child(child));
  if (err != 0) fail_errno(err, "executing {}", quoted(program.path));
  return child;
}

}  // namespace

void start_detached(const ProgramStart& program) {
  static_cast<void>(start(program, Detach::Yes));
}

pid_t start_child(const ProgramStart& program) {
  return start(program, Detach::No);
}

int wait_for_child(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    const int err = errno;
    if (err == ECHILD) return 0;  // the caller ignores SIGCHLD, and nobody knows any more
    if (err != EINTR) fail_errno(err, "waiting for a process");
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace layerkit
