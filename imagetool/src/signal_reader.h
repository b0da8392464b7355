#pragma once

#include <csignal>
#include <optional>

#include "layerkit/base/fd.h"

namespace layerkit {

/// Blocks the signals that a monitor hands on (HUP, INT, QUIT, TERM, USR1, USR2), and WINCH, for as
/// long as it lives and reads them from a descriptor instead. Made before the container starts, so
/// that none is lost. REQUIRES: the process has one thread, or the others block them too.
class SignalReader {
 public:
  SignalReader();
  SignalReader(const SignalReader&) = delete;
  SignalReader& operator=(const SignalReader&) = delete;
  ~SignalReader();

  /// Readable when there is a signal.
  int fd() const noexcept { return fd_.get(); }
  /// The next signal that came; nullopt when there is none. Never blocks.
  std::optional<int> next();

 private:
  sigset_t previous_{};
  Fd fd_;
};

}  // namespace layerkit
