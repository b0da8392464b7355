#include "user_terminal.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>

#include "layerkit/base/error.h"

namespace layerkit {

std::optional<ConsoleSize> terminal_size(int fd) {
  winsize size{};
  if (fd < 0 || ::ioctl(fd, TIOCGWINSZ, &size) != 0) return std::nullopt;
  return ConsoleSize{size.ws_row, size.ws_col};
}

void set_terminal_size(int fd, const ConsoleSize& size) noexcept {
  winsize wanted{};
  wanted.ws_row = size.height;
  wanted.ws_col = size.width;
  ::ioctl(fd, TIOCSWINSZ, &wanted);
}

Fd open_nonblocking(int fd) {
  unsigned number = 0;
  if (fd < 0 || ::isatty(fd) != 1 || ::ioctl(fd, TIOCGPTN, &number) == 0) return Fd();
  const std::string path = fmt::format("/proc/self/fd/{}", fd);
  return Fd(::open(path.c_str(), O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC));
}

Fd open_terminal_of(int master) {
  Fd terminal(::ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!terminal) fail_errno(errno, "opening the container's terminal");
  return terminal;
}

RawTerminal::RawTerminal(int fd) {
  if (fd < 0 || ::tcgetattr(fd, &before_) != 0) return;
  termios raw = before_;
  ::cfmakeraw(&raw);
  if (::tcsetattr(fd, TCSANOW, &raw) != 0) fail_errno(errno, "setting up the terminal");
  fd_ = fd;
}

RawTerminal::~RawTerminal() {
  if (fd_ >= 0) ::tcsetattr(fd_, TCSANOW, &before_);
}

}  // namespace layerkit
