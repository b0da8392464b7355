#pragma once

#include <string>
#include <string_view>

namespace layerkit {

inline constexpr std::string_view kDefaultDetachKeys = "ctrl-p,ctrl-q";

/// Finds the keys by which the user leaves a container, in what is typed.
class DetachKeys {
 public:
  /// Docker's notation: "ctrl-p,ctrl-q", "ctrl-a,x"; empty: the default. Throws Error{Invalid}.
  explicit DetachKeys(std::string_view keys);

  /// What of `typed`, and of what was held back before, goes to the container. Bytes that may be
  /// the start of the keys are held back until it is clear.
  std::string feed(std::string_view typed);
  /// True once they were typed.
  bool are_complete() const noexcept { return matched_ == keys_.size(); }

 private:
  std::string keys_;
  std::size_t matched_ = 0;
};

}  // namespace layerkit
