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

/// The names of a finished draft's directory, sorted by their bytes. REQUIRES: sort_file_names.
class DraftNames {
 public:
  explicit DraftNames(const DraftDir& dir)
      : dir_(dir), child_(dir.children.begin()), file_(dir.files), hidden_(dir.special.begin()) {}

  /// False at the end.
  bool next(DraftName& name) {
    while (child_ != dir_.children.end() && !child_->second->made)
      ++child_;
    while (hidden_ != dir_.special.end() && hidden_->second != NameState::WhitedOut)
      ++hidden_;
    // A name is in one of them only.
    name = {};
    if (child_ != dir_.children.end()) offer({child_->first, child_->second, nullptr}, name);
    if (file_ != nullptr) offer({file_->name, nullptr, file_->file}, name);
    if (hidden_ != dir_.special.end()) offer({hidden_->first, nullptr, nullptr}, name);
    if (name.name.empty()) return false;
    if (name.dir != nullptr) ++child_;
    if (name.file != nullptr) file_ = file_->next;
    if (name.dir == nullptr && name.file == nullptr) ++hidden_;
    return true;
  }

 private:
  static void offer(const DraftName& other, DraftName& name) {
    if (name.name.empty() || other.name < name.name) name = other;
  }

  const DraftDir& dir_;
  decltype(DraftDir::children)::const_iterator child_;
  const FileName* file_;
  decltype(DraftDir::special)::const_iterator hidden_;
};

/// Calls `use` for all that the layer has in `dir`, sorted by the bytes of the names.
template <typename Use>
void for_each_name(const DraftDir& dir, const Use& use) {
  DraftNames names(dir);
  for (DraftName name; names.next(name);)
    use(name);
}

}  // namespace layerkit
