#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "layerkit/base/fd.h"

namespace layerkit {

/// Bytes that are written from front to back and read anywhere. A bounded number of pages of them
/// is in memory, those that were used last; the others are in a file without a name, which is only
/// made when there are others. Reading is safe for several threads while nobody appends.
class PagedBytes {
 public:
  static constexpr std::size_t kPageBytes = std::size_t{16} << 10;

  /// `directory` is where the file is made when it is needed; it must outlive this. `max_pages`: at
  /// least one.
  explicit PagedBytes(int directory, std::size_t max_pages = 16);

  void append(std::span<const std::byte> bytes);
  /// Throws Error{Integrity} where there are not as many bytes.
  void read(std::uint64_t offset, std::span<std::byte> bytes) const;

  std::uint64_t size() const noexcept { return size_; }
  /// How many were written to the file.
  std::uint64_t file_bytes() const;
  /// How many pages came back from the file.
  std::uint64_t pages_read() const;

 private:
  struct Page {
    std::uint64_t number = 0;
    std::uint64_t used = 0;  ///< when, by `clock_`
    bool is_in_file = false;
    std::unique_ptr<std::byte[]> bytes;
  };

  /// The page, in memory. Takes the place of the one whose last use is longest ago.
  Page& page(std::uint64_t number) const;
  Page& make_room() const;
  void write(Page& page) const;
  void load(Page& page, std::uint64_t number) const;

  int directory_;
  std::size_t max_pages_;
  std::uint64_t size_ = 0;
  mutable std::mutex mutex_;  ///< for all below
  mutable std::vector<Page> pages_;
  mutable std::size_t last_ = 0;  ///< the page used last
  mutable std::uint64_t clock_ = 0;
  mutable Fd file_;
  mutable std::uint64_t file_bytes_ = 0;
  mutable std::uint64_t pages_read_ = 0;
};

}  // namespace layerkit
