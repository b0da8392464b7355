#include "cli/foreground.h"

#include <unistd.h>

#include "cli/output.h"
#include "layerkit/base/error.h"

namespace layerkit::cli {

void add_detach_keys_option(CLI::App& command, std::string& keys) {
  command
      .add_option("--detach-keys", keys,
                  "Keys that leave a container with a terminal (default ctrl-p,ctrl-q)")
      ->type_name("KEYS");
}

Foreground make_foreground(const ForegroundChoice& choice, bool has_terminal) {
  if (choice.input && has_terminal && ::isatty(STDIN_FILENO) != 1)
    fail(Errc::Invalid, "the input device is not a TTY");
  Foreground foreground;
  foreground.input = choice.input ? STDIN_FILENO : -1;
  foreground.signals = choice.proxy_signals ? SignalProxy::Forward : SignalProxy::Ignore;
  foreground.detach_keys = choice.detach_keys;
  return foreground;
}

void report_end(Session& session, const AttachEnd& end) {
  session.exit_code = end.code;
  if (end.how == AttachEnd::How::Detached) print_error("read escape sequence");
}

}  // namespace layerkit::cli
