#include <fcntl.h>
#include <limits.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "cli/terminal_relay.h"
#include "layerkit/base/error.h"

namespace layerkit::cli {

TerminalRelay::TerminalRelay(Fd master) : master_(std::move(master)) {
  const int flags = ::fcntl(master_.get(), F_GETFL);
  if (flags < 0 || ::fcntl(master_.get(), F_SETFL, flags | O_NONBLOCK) != 0)
    fail_errno(errno, "connecting the terminal");
  resize();
  if (::tcgetattr(0, &before_) != 0) return;  // the caller's input is no terminal
  termios raw = before_;
  ::cfmakeraw(&raw);
  raw.c_oflag |= OPOST;
  is_raw_ = ::tcsetattr(0, TCSANOW, &raw) == 0;
}

TerminalRelay::~TerminalRelay() {
  if (is_raw_) ::tcsetattr(0, TCSANOW, &before_);
}

void TerminalRelay::resize() const {
  winsize size{};
  if (::ioctl(0, TIOCGWINSZ, &size) == 0) ::ioctl(master_.get(), TIOCSWINSZ, &size);
}

void TerminalRelay::read_input() {
  std::array<char, 4096> bytes{};
  const ssize_t got = ::read(0, bytes.data(), bytes.size());
  if (got > 0) {
    pending_.append(bytes.data(), static_cast<std::size_t>(got));
    write_input();
    return;
  }
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
  input_ = -1;
  // As a terminal says that its input ends: the line discipline of the process's terminal knows.
  pending_ += '\x04';
  write_input();
}

void TerminalRelay::write_input() {
  while (!pending_.empty()) {
    const ssize_t put = ::write(master_.get(), pending_.data(), pending_.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) {
      if (errno != EAGAIN) pending_.clear();  // nobody reads it any more
      return;
    }
    pending_.erase(0, static_cast<std::size_t>(put));
  }
}

std::optional<std::size_t> TerminalRelay::read_output() {
  std::array<char, 16384> bytes{};
  ssize_t got = 0;
  do {
    got = ::read(master_.get(), bytes.data(), bytes.size());
  } while (got < 0 && errno == EINTR);
  if (got < 0 && errno == EAGAIN) return 0;
  // EIO: nobody has the other side open.
  if (got <= 0) return std::nullopt;
  if (is_output_read_) output_.append(bytes.data(), static_cast<std::size_t>(got));
  return static_cast<std::size_t>(got);
}

void TerminalRelay::write_output() {
  // A pipe that has room takes that much at once.
  const std::size_t size = std::min<std::size_t>(output_.size(), PIPE_BUF);
  const ssize_t put = ::write(1, output_.data(), size);
  if (put >= 0) {
    output_.erase(0, static_cast<std::size_t>(put));
    return;
  }
  if (errno == EAGAIN || errno == EINTR) return;
  // A pipe that nobody reads; a terminal that has gone.
  if (errno != EPIPE && errno != EIO) fail_errno(errno, "writing standard output");
  is_output_read_ = false;
  output_.clear();
}

}  // namespace layerkit::cli
