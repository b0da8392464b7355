#include "pseudo_links.h"

#include <fmt/core.h>

#include <utility>

#include "layerkit/base/file.h"
#include "layerkit/base/text.h"

namespace layerkit {

void PseudoLinks::open(LiveBranch& branch) {
  const Fd dir = open_dir_at(branch.area->links(), ".");
  for (const DirEntry& entry : list_dir(dir.get())) {
    const auto numbers = split(entry.name, '.');
    if (numbers.size() != 2) continue;
    const auto number = parse_decimal(numbers[0]);
    const auto ino = parse_decimal(numbers[1]);
    // A link whose file is another one by now leads nowhere.
    if (number && ino && *ino == entry.ino) add(*number, {&branch, entry.name, *ino});
  }
}

void PseudoLinks::close(const LiveBranch& branch) {
  const std::lock_guard lock(mutex_);
  std::erase_if(links_, [&](const auto& item) { return item.second.branch == &branch; });
}

std::optional<PseudoLinks::Link> PseudoLinks::find(std::uint64_t number) const {
  const std::lock_guard lock(mutex_);
  const auto found = links_.find(number);
  if (found == links_.end()) return std::nullopt;
  return found->second;
}

bool PseudoLinks::empty() const {
  const std::lock_guard lock(mutex_);
  return links_.empty();
}

std::vector<std::pair<std::uint64_t, PseudoLinks::Link>> PseudoLinks::on(
    const LiveBranch& branch) const {
  const std::lock_guard lock(mutex_);
  std::vector<std::pair<std::uint64_t, Link>> found;
  for (const auto& item : links_)
    if (item.second.branch == &branch) found.emplace_back(item);
  return found;
}

std::string PseudoLinks::name_of(std::uint64_t number, std::uint64_t ino) {
  return fmt::format("{}.{}", number, ino);
}

void PseudoLinks::add(std::uint64_t number, Link link) {
  const std::lock_guard lock(mutex_);
  links_[number] = std::move(link);
}

void PseudoLinks::remove(std::uint64_t number) {
  const std::lock_guard lock(mutex_);
  links_.erase(number);
}

}  // namespace layerkit
