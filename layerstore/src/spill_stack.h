#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "layerkit/base/fd.h"

namespace layerkit {

/// A stack of texts of which only the top is in memory; the rest is in a file without a name.
/// Not thread-safe.
class SpillStack {
 public:
  /// `directory` is where the file is made when it is needed; it must outlive the stack.
  explicit SpillStack(int directory, std::size_t chunk_bytes = std::size_t{256} << 10)
      : directory_(directory), chunk_bytes_(chunk_bytes) {}

  void push(std::string_view text);
  /// The text pushed last, or nullopt when there is none.
  std::optional<std::string> pop();

 private:
  void spill();
  /// Makes the last `bytes` of the stack be in memory.
  void load(std::size_t bytes);

  int directory_;
  std::size_t chunk_bytes_;
  std::string top_;  ///< texts, each with its size behind it
  Fd file_;
  std::uint64_t file_bytes_ = 0;
};

}  // namespace layerkit
