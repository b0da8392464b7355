#include "stream_relay.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>

#include "layerkit/base/error.h"
#include "user_terminal.h"

namespace layerkit {

StreamRelay::StreamRelay(int source, int target, std::string target_name, Observer observer)
    : source_(source),
      terminal_(open_nonblocking(target)),
      target_(terminal_ ? terminal_.get() : target),
      target_name_(std::move(target_name)),
      observer_(std::move(observer)) {}

pollfd StreamRelay::source_poll() const noexcept {
  return {pending_.empty() ? source_ : -1, POLLIN, 0};
}

pollfd StreamRelay::target_poll() const noexcept {
  return {pending_.empty() ? -1 : target_, POLLOUT, 0};
}

void StreamRelay::add(std::string_view bytes) {
  if (target_ >= 0) pending_.append(bytes);
}

bool StreamRelay::read_some(const Context& context) {
  std::array<char, 32768> buffer{};
  const auto count = ::read(source_, buffer.data(), buffer.size());
  const int err = errno;
  if (count < 0 && (err == EAGAIN || err == EINTR)) return false;
  if (count < 0) context.warn(fmt::format("reading for {}: {}", target_name_, errno_text(err)));
  if (count <= 0) {
    source_ = -1;
    return false;
  }
  const std::string_view bytes(buffer.data(), static_cast<std::size_t>(count));
  if (observer_) observer_(bytes);
  add(bytes);
  return true;
}

void StreamRelay::write_some(const Context& context) {
  // A pipe that poll(2) calls writable takes PIPE_BUF bytes without blocking: pipe(7). A terminal
  // may have room for less, hence `terminal_`.
  const auto size = std::min<std::size_t>(pending_.size(), PIPE_BUF);
  const auto count = ::write(target_, pending_.data(), size);
  const int err = errno;
  if (count >= 0) {
    pending_.erase(0, static_cast<std::size_t>(count));
    return;
  }
  if (err == EAGAIN || err == EINTR) return;
  if (err != EPIPE) context.warn(fmt::format("writing to {}: {}", target_name_, errno_text(err)));
  stop();
}

void StreamRelay::stop() noexcept {
  source_ = -1;
  target_ = -1;
  pending_.clear();
}

}  // namespace layerkit
