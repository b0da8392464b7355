#pragma once

#include <cstdint>
#include <string>

#include "layerkit/base/byte_stream.h"
#include "layerkit/base/fd.h"

namespace layerkit {

/// The bytes of a regular file that somebody else may be writing to: exactly `size` of them.
/// Throws Error{Integrity} naming the file when it has another size, at first or at the end. Holes
/// are read as zeros without asking the disk for them.
class FileContents final : public ByteSource {
 public:
  FileContents(Fd file, std::uint64_t size, std::string name);
  std::size_t read(std::span<std::byte> buffer) override;

 private:
  void find_data();
  void check_size() const;

  Fd file_;
  std::uint64_t size_;
  std::string name_;
  bool sparse_ = false;
  std::uint64_t at_ = 0;
  std::uint64_t data_begin_ = 0;  ///< of the piece of data at or after `at_`
  std::uint64_t data_end_ = 0;
};

}  // namespace layerkit
