#pragma once

#include <termios.h>

#include <string>

#include "layerkit/base/fd.h"

namespace layerkit::cli {

/// Connects the caller's standard streams with the master of a terminal. The caller's terminal is
/// raw as long as the object lives.
class TerminalRelay {
 public:
  explicit TerminalRelay(Fd master);
  TerminalRelay(const TerminalRelay&) = delete;
  TerminalRelay& operator=(const TerminalRelay&) = delete;
  ~TerminalRelay();

  /// What to wait for: -1 when there is nothing more.
  int input() const noexcept { return input_; }
  int master() const noexcept { return master_.get(); }
  /// Room in the terminal for what was read from the caller.
  bool has_pending_input() const noexcept { return !pending_.empty(); }

  void read_input();
  void write_input();
  /// False at the end.
  bool copy_output();
  /// What is there when the process has ended.
  void drain();
  /// The caller's terminal has another size.
  void resize() const;

 private:
  Fd master_;
  int input_ = 0;
  bool is_raw_ = false;
  termios before_{};
  std::string pending_;
};

}  // namespace layerkit::cli
