#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace layerkit::runner {

/// A set of CPUs or memory nodes as the kernel takes it: one bit for each number.
class NumberMask {
 public:
  /// "0-2,7" (cpuset(7), "List format"); empty gives an empty mask. `what` appears in errors.
  /// Throws Error{Invalid} for other texts and for numbers above 8191.
  static NumberMask parse(std::string_view text, std::string_view what);

  bool empty() const noexcept { return words_.empty(); }
  const unsigned long* words() const noexcept { return words_.data(); }
  std::size_t bytes() const noexcept { return words_.size() * sizeof(unsigned long); }

 private:
  void add(std::size_t first, std::size_t last);

  std::vector<unsigned long> words_;
};

}  // namespace layerkit::runner
