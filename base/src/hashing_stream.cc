#include "layerkit/base/hashing_stream.h"

namespace layerkit {

std::size_t HashingSource::read(std::span<std::byte> buffer) {
  const std::size_t got = inner_.read(buffer);
  hash_.update(std::span<const std::byte>(buffer.first(got)));
  size_ += got;
  return got;
}

void HashingSink::write(std::span<const std::byte> bytes) {
  hash_.update(bytes);
  size_ += bytes.size();
  if (inner_ != nullptr) inner_->write(bytes);
}

}  // namespace layerkit
