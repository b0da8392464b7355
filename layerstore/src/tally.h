#pragma once

#include <fmt/core.h>

#include <cstdint>
#include <string>
#include <utility>

#include "layerkit/base/context.h"
#include "layerkit/base/text.h"

namespace layerkit {

/// Counts something worth one warning, however often a hostile layer makes it happen.
class Tally {
 public:
  explicit Tally(std::string what) : what_(std::move(what)) {}

  void add(const std::string& example) {
    if (count_++ == 0) example_ = example;
  }
  /// Warns "<what>: 3 times, first 'example'" when there was any.
  void report(const Context& context) const {
    if (count_ == 0) return;
    context.warn(count_ == 1
                     ? fmt::format("{}: {}", what_, quoted(example_))
                     : fmt::format("{}: {} times, first {}", what_, count_, quoted(example_)));
  }

 private:
  std::string what_;
  std::string example_;
  std::uint64_t count_ = 0;
};

}  // namespace layerkit
