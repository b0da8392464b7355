#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

namespace layerkit {

/// What a program hands to a library call: where warnings and progress go, and whether to stop.
/// Libraries never print. Callbacks run on the calling thread unless a function says otherwise.
struct Context {
  /// Something the user should know although the work goes on. One line, names escaped.
  std::function<void(const std::string&)> warn = [](const std::string&) {};
  /// Bytes of input consumed by the step `what`, such a line, too (never fewer within a step).
  std::function<void(const std::string& what, std::uint64_t done, std::uint64_t total)> progress =
      [](const std::string&, std::uint64_t, std::uint64_t) {};
  /// Set by a signal handler; long loops call `check_interrupted` between units of work.
  const std::atomic<bool>* interrupted = nullptr;

  /// Throws Error{Interrupted} once `*interrupted` is set.
  void check_interrupted() const;
};

}  // namespace layerkit
