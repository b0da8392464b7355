#include "index_page_cache.h"

#include "layer_index.h"

namespace layerkit {

std::shared_ptr<IndexPageCache> make_index_page_cache(std::size_t max_pages) {
  return std::make_shared<IndexPageCache>(max_pages);
}

std::uint64_t IndexPageCache::new_file() {
  const std::lock_guard lock(mutex_);
  return ++files_;
}

std::shared_ptr<const layer_index::Page> IndexPageCache::find(std::uint64_t file,
                                                              std::uint64_t number) const {
  const std::lock_guard lock(mutex_);
  const Slot& slot = slots_[place(file, number)];
  if (slot.file != file || slot.number != number) return nullptr;
  return slot.page;
}

void IndexPageCache::put(std::uint64_t file,
                         std::uint64_t number,
                         std::shared_ptr<const layer_index::Page> page) {
  const std::lock_guard lock(mutex_);
  slots_[place(file, number)] = {file, number, std::move(page)};
}

/// Neighbours of one file and equal pages of many files shall not meet: a multiplicative hash.
std::size_t IndexPageCache::place(std::uint64_t file, std::uint64_t number) const noexcept {
  constexpr std::uint64_t kGolden = 0x9e3779b97f4a7c15U;
  const std::uint64_t mixed = (file * kGolden ^ number) * kGolden;
  return static_cast<std::size_t>((mixed >> 32U) % slots_.size());
}

}  // namespace layerkit
