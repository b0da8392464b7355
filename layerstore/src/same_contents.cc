#include "layerkit/layerstore/same_contents.h"

#include <cstddef>
#include <cstring>
#include <memory>
#include <span>

namespace layerkit {

bool same_contents(ByteSource& a, ByteSource& b) {
  // Most files are small: what is not read is not touched.
  constexpr std::size_t kChunk = std::size_t{64} << 10;
  const auto memory = std::make_unique_for_overwrite<std::byte[]>(2 * kChunk);
  const auto of_a = std::span(memory.get(), kChunk);
  const auto of_b = std::span(memory.get() + kChunk, kChunk);
  for (;;) {
    const std::size_t got = read_full(a, of_a);
    if (read_full(b, of_b) != got) return false;
    if (got == 0) return true;
    if (std::memcmp(of_a.data(), of_b.data(), got) != 0) return false;
  }
}

}  // namespace layerkit
