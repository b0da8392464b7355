#include <algorithm>
#include <atomic>
#include <csignal>

#include "cli/app.h"
#include "cli/output.h"
#include "cli/run_app.h"

namespace {

using layerkit::cli::Session;

std::atomic<bool> interrupted{false};
std::atomic<int> interrupting_signal{0};
// So that the handler may set them.
static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<int>::is_always_lock_free);

extern "C" void on_interrupt(int signal_number) {
  interrupting_signal.store(signal_number);
  interrupted.store(true);
}

/// The first signal asks the program to stop and clean up; a second one ends it at once.
void install_signals() {
  struct sigaction action {};
  action.sa_handler = on_interrupt;
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  ::sigemptyset(&action.sa_mask);
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
  action.sa_handler = SIG_IGN;
  ::sigaction(SIGPIPE, &action, nullptr);  // writing reports EPIPE instead
}

}  // namespace

int main(int argc, char** argv) {
  layerkit::cli::reserve_standard_descriptors();
  install_signals();
  layerkit::cli::set_program_name("runner");
  Session session;
  session.context.interrupted = &interrupted;
  session.interrupting_signal = &interrupting_signal;
  session.context.warn = [](const std::string& text) {
    layerkit::cli::print_error("warning: " + text);
  };
  const auto app = layerkit::cli::make_app(session, {argv + std::min(argc, 1), argv + argc});
  return layerkit::cli::run_app(*app, session, argc, argv);
}
