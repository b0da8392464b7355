#include <unistd.h>

#include <atomic>
#include <csignal>

#include "cli/app.h"
#include "cli/descriptor_limit.h"
#include "cli/output.h"
#include "cli/run_app.h"
#include "layerkit/imagetool/mount_backend.h"
#include "layerkit/unionmount/union_server.h"

namespace {

std::atomic<bool> interrupted{false};
static_assert(std::atomic<bool>::is_always_lock_free);  // so that the handler may set it

extern "C" void on_interrupt(int /*signal_number*/) {
  interrupted.store(true);
}

/// The first signal asks the library to stop and clean up; a second one ends the program at once.
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
  if (argc > 1 && argv[1] == layerkit::kServeUnionVerb)
    return layerkit::serve_union_from_arguments({argv + 2, argv + argc});
  layerkit::cli::reserve_standard_descriptors();
  layerkit::cli::set_program_name("imagetool");
  install_signals();
  layerkit::cli::Session session;
  session.container_descriptors = layerkit::cli::raise_descriptor_limit();
  session.context.interrupted = &interrupted;
  session.context.warn = [](const std::string& text) {
    layerkit::cli::print_error("warning: " + text);
  };
  const auto app = layerkit::cli::make_app(session);
  return layerkit::cli::run_app(*app, session, argc, argv);
}
