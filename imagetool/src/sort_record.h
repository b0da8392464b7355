#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "layerkit/base/rel_path.h"

namespace layerkit {

/// Builds the records that a NameSorter sorts: fields in a row, compared bytewise. Numbers are
/// written so that they sort by value, paths so that they sort as a walk through directories comes
/// by them: parents first, component by component.
class SortRecord {
 public:
  SortRecord& number(std::uint64_t value, std::size_t bytes);
  SortRecord& u8(std::uint8_t value) { return number(value, 1); }
  SortRecord& u32(std::uint64_t value) { return number(value, 4); }
  SortRecord& u64(std::uint64_t value) { return number(value, 8); }
  /// Bytes of a known length.
  SortRecord& bytes(std::string_view text);
  SortRecord& path(const RelPath& path);

  const std::string& str() const noexcept { return text_; }

 private:
  std::string text_;
};

/// Takes the fields out again, in the same order.
class RecordFields {
 public:
  explicit RecordFields(std::string_view record) : rest_(record) {}
  std::uint64_t number(std::size_t bytes);
  std::uint8_t u8() { return static_cast<std::uint8_t>(number(1)); }
  std::uint32_t u32() { return static_cast<std::uint32_t>(number(4)); }
  std::uint64_t u64() { return number(8); }
  std::string_view bytes(std::size_t size);
  RelPath path();

 private:
  std::string_view rest_;
};

}  // namespace layerkit
