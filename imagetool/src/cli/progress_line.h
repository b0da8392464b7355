#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "layerkit/base/context.h"

namespace layerkit::cli {

/// How far the work has come, on standard error: on a terminal one line that is wiped when it is
/// over, with bytes, rate and time left; elsewhere a plain line for each step that took a second or
/// more. Must outlive the contexts it gave. Not thread-safe.
class ProgressLine {
 public:
  ProgressLine();
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;
  ~ProgressLine() { finish(); }

  /// From now on nothing is shown, by any line: `imagetool --quiet`.
  static void silence() noexcept;

  /// `context` with its progress (and its warnings, above the line) shown here.
  Context attach(const Context& context);
  /// Wipes the line and shows no other: what is printed from here on has the terminal.
  void finish();

 private:
  using Clock = std::chrono::steady_clock;

  void show(const std::string& what, std::uint64_t done, std::uint64_t total);
  void begin_step(const std::string& what);
  void end_step();
  void redraw(std::uint64_t total);
  void wipe();

  bool is_shown_;
  bool is_terminal_;
  std::string line_;
  std::string step_;
  Clock::time_point begin_;
  Clock::time_point drawn_;
  std::uint64_t first_ = 0;  ///< bytes that were done when the step was first seen
  std::uint64_t done_ = 0;
};

}  // namespace layerkit::cli
