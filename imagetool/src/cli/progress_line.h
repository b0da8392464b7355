#pragma once

#include <cstdint>
#include <string>

#include "layerkit/base/context.h"

namespace layerkit::cli {

/// One line on standard error that follows the work and is wiped when it is over. Silent when
/// standard error is not a terminal. Must outlive the contexts it gave.
class ProgressLine {
 public:
  ProgressLine();
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;
  ~ProgressLine() { wipe(); }

  /// `context` with its progress (and its warnings, above the line) shown here.
  Context attach(const Context& context);
  /// Wipes the line and shows no other: what is printed from here on has the terminal.
  void finish() {
    wipe();
    is_terminal_ = false;
  }

 private:
  void show(const std::string& what, std::uint64_t done, std::uint64_t total);
  void wipe();

  bool is_terminal_;
  std::string line_;
};

}  // namespace layerkit::cli
