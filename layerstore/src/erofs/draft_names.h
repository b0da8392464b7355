#pragma once

#include <string_view>

#include "draft_dir.h"
#include "memory_files.h"

namespace layerkit {

/// What a directory of a finished draft has under one name: a directory, a file, or, when both are
/// null, a whiteout.
struct DraftName {
  std::string_view name;
  DraftDir* dir = nullptr;
  DraftFile* file = nullptr;
};

/// Calls `use` for all that the layer has in `dir`, sorted by the bytes of the names.
template <typename Use>
void for_each_name(const DraftDir& dir, const Use& use) {
  auto child = dir.children.begin();
  auto file = dir.files.begin();
  auto hidden = dir.special.begin();
  for (;;) {
    while (child != dir.children.end() && !child->second->made)
      ++child;
    while (hidden != dir.special.end() && hidden->second != NameState::WhitedOut)
      ++hidden;
    // A name is in one of them only.
    DraftName next;
    const auto offer = [&next](const DraftName& other) {
      if (next.name.empty() || other.name < next.name) next = other;
    };
    if (child != dir.children.end()) offer({child->first, child->second, nullptr});
    if (file != dir.files.end()) offer({file->first, nullptr, file->second});
    if (hidden != dir.special.end()) offer({hidden->first, nullptr, nullptr});
    if (next.name.empty()) return;
    if (next.dir != nullptr) ++child;
    if (next.file != nullptr) ++file;
    if (next.dir == nullptr && next.file == nullptr) ++hidden;
    use(next);
  }
}

}  // namespace layerkit
