#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "layer_index_format.h"
#include "layerkit/base/entry.h"
#include "layerkit/base/fd.h"

namespace layerkit {

/// Writes an index page by page: the table pages as they come, the rest collected in nameless
/// files beside it and put behind them at the end. Bounded memory. Not thread-safe.
class LayerIndexWriter {
 public:
  /// Begins with the root's own record; it is directory 0. `layer_dir_fd` must outlive it.
  LayerIndexWriter(int layer_dir_fd, const Entry& root);

  /// What is added from here on are the children of this directory, sorted by name. Each
  /// directory comes once, in any order.
  void begin_directory(std::uint32_t number);
  /// The number of the child when it is a directory, else 0.
  std::uint32_t add(std::string_view name, const Entry& entry);
  void end_directory();

  /// Completes the file and gives it its name, in the place of an older one.
  void finish();

 private:
  layer_index::Place place() const noexcept { return {page_number_, slot_}; }
  void put(layer_index::Record record, const Entry& entry);
  void flush_page();
  void write_page(layer_index::Page& page);
  /// Puts a file behind the pages, in pages of its own; returns how many.
  std::uint32_t append_pages(int file, std::uint64_t bytes, std::size_t bytes_per_page);
  void publish();

  int layer_dir_;
  Fd file_;
  Fd spans_;   ///< the table of directories, by number
  Fd extras_;  ///< targets and xattrs
  std::string extra_buffer_;
  layer_index::Header header_;
  layer_index::Page page_{};
  std::uint32_t page_number_ = 1;
  std::uint16_t slot_ = 0;
  std::size_t used_ = 0;  ///< bytes of the page
  std::uint64_t next_page_ = 1;
  std::uint32_t directory_ = 0;
  layer_index::Place begin_;
};

}  // namespace layerkit
