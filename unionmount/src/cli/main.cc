#include <atomic>
#include <csignal>
#include <string_view>

#include "cli/app.h"
#include "cli/mount_helper.h"
#include "cli/output.h"
#include "cli/run_app.h"
#include "cli/serve_verb.h"
#include "layerkit/unionmount/union_server.h"

namespace {

using layerkit::cli::Session;

std::atomic<bool> interrupted{false};
static_assert(std::atomic<bool>::is_always_lock_free);  // so that the handler may set it

extern "C" void on_interrupt(int /*signal_number*/) {
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

/// The last component of the name that the program was called by.
std::string_view base_name(std::string_view path) {
  return path.substr(path.rfind('/') + 1);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && argv[1] == layerkit::cli::kServeVerb)
    return layerkit::serve_union_from_arguments({argv + 2, argv + argc});
  layerkit::cli::reserve_standard_descriptors();
  install_signals();
  const std::string_view name = argc > 0 ? base_name(argv[0]) : std::string_view();
  const bool is_helper = name.starts_with("mount.");
  layerkit::cli::set_program_name(is_helper ? name : "unionmount");
  Session session;
  session.context.interrupted = &interrupted;
  session.context.warn = [](const std::string& text) {
    layerkit::cli::print_error("warning: " + text);
  };
  if (is_helper) return layerkit::cli::run_mount_helper(session, {argv, argv + argc});
  const auto app = layerkit::cli::make_app(session);
  return layerkit::cli::run_app(*app, session, argc, argv);
}
