#pragma once

#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

namespace layerkit {

/// The names of a directory, however many: each takes its own bytes and a pointer. Not
/// thread-safe.
class NameList {
 public:
  /// `name` holds no NUL byte.
  void add(std::string_view name);
  /// Sorts bytewise.
  void sort();

  std::size_t size() const noexcept { return names_.size(); }
  std::string_view operator[](std::size_t index) const { return names_[index]; }
  /// REQUIRES: sorted.
  bool contains(std::string_view name) const;

 private:
  std::vector<std::unique_ptr<char[]>> blocks_;
  std::size_t used_ = 0;  ///< of the last block
  std::vector<const char*> names_;
};

}  // namespace layerkit
