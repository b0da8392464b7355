#pragma once

#include <utility>

namespace layerkit {

/// Owns one file descriptor. Every descriptor of Layerkit is born close-on-exec.
class Fd {
 public:
  Fd() noexcept = default;
  explicit Fd(int fd) noexcept : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept;
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() { reset(); }

  int get() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ >= 0; }
  /// Gives the descriptor up; the caller closes it.
  int release() noexcept { return std::exchange(fd_, -1); }
  /// Closes, ignoring errors (nothing was written, or it was synced before).
  void reset() noexcept;
  /// A second descriptor of the same open file description, close-on-exec.
  Fd duplicate() const;

 private:
  int fd_ = -1;
};

}  // namespace layerkit
