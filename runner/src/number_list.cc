#include "number_list.h"

#include <algorithm>

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"

namespace layerkit::runner {
namespace {

constexpr std::size_t kWordBits = 8 * sizeof(unsigned long);
constexpr std::uint64_t kMost = 8191;  // CONFIG_NR_CPUS is at most that

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \n") - first + 1);
}

}  // namespace

NumberMask NumberMask::parse(std::string_view text, std::string_view what) {
  NumberMask mask;
  if (trimmed(text).empty()) return mask;
  for (const std::string_view part : split(trimmed(text), ',')) {
    const std::size_t dash = part.find('-');
    const auto first = parse_decimal(trimmed(part.substr(0, dash)));
    const auto last =
        dash == std::string_view::npos ? first : parse_decimal(trimmed(part.substr(dash + 1)));
    if (!first || !last || *first > *last || *last > kMost)
      fail(Errc::Invalid, "reading {} {}: not a list of numbers such as 0-2,7", what, quoted(text));
    mask.add(static_cast<std::size_t>(*first), static_cast<std::size_t>(*last));
  }
  return mask;
}

/// By words: a long text may name everything over and over.
void NumberMask::add(std::size_t first, std::size_t last) {
  words_.resize(std::max(words_.size(), last / kWordBits + 1));
  for (std::size_t word = first / kWordBits; word <= last / kWordBits; ++word) {
    const std::size_t from = word == first / kWordBits ? first % kWordBits : 0;
    const std::size_t to = word == last / kWordBits ? last % kWordBits : kWordBits - 1;
    words_[word] |= (~0UL >> (kWordBits - 1 - to)) & (~0UL << from);
  }
}

}  // namespace layerkit::runner
