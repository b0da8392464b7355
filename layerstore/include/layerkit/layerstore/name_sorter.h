#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "layerkit/base/byte_stream.h"
#include "layerkit/base/fd.h"

namespace layerkit {

/// Sorts any number of short texts bytewise in bounded memory: what does not fit goes to a file
/// without a name, in sorted runs that are merged while they are read. Not thread-safe.
class NameSorter {
 public:
  /// `directory` is where the file is made when it is needed; it must outlive the sorter.
  explicit NameSorter(int directory, std::size_t max_memory = std::size_t{2} << 20)
      : directory_(directory), max_memory_(max_memory) {}

  /// At most 65535 bytes. REQUIRES: `next` was not called since the last `clear`.
  void add(std::string_view text);
  /// The texts in order, then nullopt. Valid until the next call.
  std::optional<std::string_view> next();
  /// Ready for other texts.
  void clear();

 private:
  /// Where a text is in `text_`.
  struct Item {
    std::uint32_t offset;
    std::uint32_t size;
  };

  /// A sorted part of the file, read piece by piece.
  struct Run {
    std::uint64_t offset;
    std::uint64_t end;
    std::string buffer;
    std::size_t used = 0;
    std::string head;  ///< the first text that was not taken
  };

  void sort_memory();
  void spill();
  void start();
  bool advance(Run& run);
  std::string_view in_memory(const Item& item) const {
    return std::string_view(text_).substr(item.offset, item.size);
  }

  int directory_;
  std::size_t max_memory_;
  std::string text_;
  std::vector<Item> items_;
  std::size_t next_item_ = 0;
  Fd file_;
  std::uint64_t file_end_ = 0;
  std::vector<Run> runs_;
  std::vector<std::size_t> heap_;  ///< runs by their head, the smallest in front
  std::string current_;
  bool started_ = false;
};

}  // namespace layerkit
