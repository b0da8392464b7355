#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "layerkit/base/byte_stream.h"
#include "layerkit/base/fd.h"

namespace layerkit {

/// A range of a file that stays open as long as somebody reads it. Several may share one
/// descriptor.
class OwnedFileSource final : public ByteSource {
 public:
  OwnedFileSource(std::shared_ptr<const Fd> file,
                  std::uint64_t offset,
                  std::uint64_t size,
                  std::string name)
      : file_(std::move(file)), range_(file_->get(), offset, size, std::move(name)) {}

  std::size_t read(std::span<std::byte> buffer) override { return range_.read(buffer); }
  std::uint64_t skip(std::uint64_t count) override { return range_.skip(count); }

 private:
  std::shared_ptr<const Fd> file_;
  FileRangeSource range_;
};

}  // namespace layerkit
