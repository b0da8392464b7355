#include "name_list.h"

#include <algorithm>
#include <cstring>

namespace layerkit {
namespace {

/// Many names of the greatest length; most directories need one block.
constexpr std::size_t kFirstBlock = std::size_t{1} << 10;
constexpr std::size_t kBlock = std::size_t{64} << 10;

}  // namespace

void NameList::add(std::string_view name) {
  const std::size_t needed = name.size() + 1;
  const std::size_t room = blocks_.empty() ? 0 : (blocks_.size() == 1 ? kFirstBlock : kBlock);
  if (used_ + needed > room) {
    const std::size_t size = std::max(needed, blocks_.empty() ? kFirstBlock : kBlock);
    blocks_.push_back(std::make_unique<char[]>(size));
    used_ = 0;
  }
  char* copy = blocks_.back().get() + used_;
  std::memcpy(copy, name.data(), name.size());
  copy[name.size()] = '\0';
  used_ += needed;
  names_.push_back(copy);
}

void NameList::sort() {
  // strcmp compares unsigned bytes, whatever the locale.
  std::sort(names_.begin(), names_.end(),
            [](const char* a, const char* b) { return std::strcmp(a, b) < 0; });
}

bool NameList::contains(std::string_view name) const {
  return std::binary_search(names_.begin(), names_.end(), name,
                            [](std::string_view a, std::string_view b) { return a < b; });
}

}  // namespace layerkit
