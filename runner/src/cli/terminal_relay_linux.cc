#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "cli/terminal_relay.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"

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

bool TerminalRelay::copy_output() {
  std::array<char, 16384> bytes{};
  const ssize_t got = ::read(master_.get(), bytes.data(), bytes.size());
  if (got > 0) {
    write_all(1, {bytes.data(), static_cast<std::size_t>(got)}, "standard output");
    return true;
  }
  // EIO: nobody has the other side open.
  return got < 0 && (errno == EAGAIN || errno == EINTR);
}

void TerminalRelay::drain() {
  std::array<char, 16384> bytes{};
  for (;;) {
    const ssize_t got = ::read(master_.get(), bytes.data(), bytes.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return;
    write_all(1, {bytes.data(), static_cast<std::size_t>(got)}, "standard output");
  }
}

}  // namespace layerkit::cli
