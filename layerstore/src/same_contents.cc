#include "layerkit/layerstore/same_contents.h"

#include <algorithm>
#include <cstddef>
#include <vector>

namespace layerkit {

bool same_contents(ByteSource& a, ByteSource& b) {
  constexpr std::size_t kChunk = std::size_t{64} << 10;
  std::vector<std::byte> of_a(kChunk);
  std::vector<std::byte> of_b(kChunk);
  for (;;) {
    const std::size_t got = read_full(a, of_a);
    if (read_full(b, of_b) != got) return false;
    if (got == 0) return true;
    if (!std::equal(of_a.begin(), of_a.begin() + static_cast<std::ptrdiff_t>(got), of_b.begin())) {
      return false;
    }
  }
}

}  // namespace layerkit
