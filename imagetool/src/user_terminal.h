#pragma once

#include <termios.h>

#include <optional>

#include "layerkit/base/fd.h"
#include "layerkit/runner/container_spec.h"

namespace layerkit {

/// nullopt when `fd` is no terminal.
std::optional<ConsoleSize> terminal_size(int fd);
/// Programs that run at it hear of it. `fd` is a terminal or its master.
void set_terminal_size(int fd, const ConsoleSize& size) noexcept;

/// The terminal that `fd` is, opened once more so that writing to it never blocks, which the other
/// holders of `fd` must not notice. Unset for what is no terminal, for a master, and where the
/// terminal cannot be opened.
Fd open_nonblocking(int fd);

/// The other end of a terminal's master. While it is open, the terminal is there for whoever opens
/// it next, and reading from the master says only that nothing has come yet.
Fd open_terminal_of(int master);

/// The user's terminal hands every key on, unchanged and without showing it, for as long as the
/// object lives; nothing when `fd` is no terminal, or -1.
class RawTerminal {
 public:
  explicit RawTerminal(int fd);
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;
  ~RawTerminal();

 private:
  int fd_ = -1;
  termios before_{};
};

}  // namespace layerkit
