#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace layerkit {

/// Writes a file from one place on, a buffer at a time. Buffers of zeros are left out: the file
/// must hold nothing there yet. Does not own the descriptor. Not thread-safe.
class ErofsOutput {
 public:
  ErofsOutput(int fd, std::uint64_t offset) : fd_(fd), begin_(offset) {}

  /// Where the next byte goes.
  std::uint64_t offset() const noexcept { return begin_ + buffer_.size(); }

  void write(std::string_view bytes);
  /// The bytes of what is on disk as it is in memory.
  template <typename Record>
  void write_record(const Record& record) {
    write({reinterpret_cast<const char*>(&record), sizeof record});
  }
  /// Zeros up to `offset`, which is not behind us.
  void fill_to(std::uint64_t offset);
  /// To be called at the end.
  void flush();

 private:
  int fd_;
  std::uint64_t begin_;  ///< of the buffer
  std::string buffer_;
};

}  // namespace layerkit
