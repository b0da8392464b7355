#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "layer_index_format.h"

namespace layerkit {

/// Pages of many files, each at the one place where it may be. Thread-safe.
class IndexPageCache {
 public:
  explicit IndexPageCache(std::size_t max_pages) : slots_(max_pages) {}

  /// A number for a file that no other has.
  std::uint64_t new_file();
  /// Null when it is not there.
  std::shared_ptr<const layer_index::Page> find(std::uint64_t file, std::uint64_t number) const;
  void put(std::uint64_t file, std::uint64_t number, std::shared_ptr<const layer_index::Page> page);

 private:
  struct Slot {
    std::uint64_t file = 0;
    std::uint64_t number = 0;
    std::shared_ptr<const layer_index::Page> page;
  };

  std::size_t place(std::uint64_t file, std::uint64_t number) const noexcept;

  mutable std::mutex mutex_;
  std::vector<Slot> slots_;
  std::uint64_t files_ = 0;
};

}  // namespace layerkit
