#pragma once

#include <termios.h>

#include <cstddef>
#include <optional>
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
  /// Room in the caller's standard output for what was read from the terminal.
  bool has_pending_output() const noexcept { return !output_.empty(); }
  bool has_room_for_output() const noexcept { return output_.size() < kMostOutput; }

  void read_input();
  void write_input();
  /// How many bytes there were; nullopt at the end.
  std::optional<std::size_t> read_output();
  /// As much as the caller's standard output takes without waiting. Once nobody reads that any
  /// more, the process gets on and nothing is written. Throws Error.
  void write_output();
  /// The caller's terminal has another size.
  void resize() const;

 private:
  static constexpr std::size_t kMostOutput = 65536;

  Fd master_;
  int input_ = 0;
  bool is_raw_ = false;
  termios before_{};
  std::string pending_;
  std::string output_;
  bool is_output_read_ = true;
};

}  // namespace layerkit::cli
