#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "live_branch.h"

namespace layerkit {

/// The entries of a directory of the union, "." and ".." first; a position in it is an offset of
/// telldir(3). About 24 bytes and the name for each entry.
class MergedList {
 public:
  struct Item {
    std::uint64_t ino;  ///< as shown; of a merged directory not known here: 0
    std::uint32_t name_at;
    std::uint16_t name_size;
    std::uint8_t type;   ///< DT_*
    bool is_merged;      ///< several branches have a directory of the name
    LiveBranch* branch;  ///< the top one that has it; null for "." and ".."
  };

  std::size_t size() const noexcept { return items_.size(); }
  const Item& operator[](std::size_t index) const noexcept { return items_[index]; }
  std::string_view name(std::size_t index) const noexcept {
    return std::string_view(names_).substr(items_[index].name_at, items_[index].name_size);
  }

 private:
  friend class ListMerger;
  std::vector<Item> items_;
  std::string names_;
};

/// Builds a MergedList from the branches' directories, top first.
class ListMerger {
 public:
  struct Options {
    bool shows_whiteouts = false;       ///< shwh
    bool drops_whiteout_names = false;  ///< `.wh.` names are the union's own, on any branch
  };
  explicit ListMerger(const Options& options) : options_(options) {}

  void add_self(std::uint64_t self, std::uint64_t parent);
  /// Reads `dir`, a directory of the branch open for reading. `hides_below`: a lower branch
  /// follows. `number` gives st_ino.
  template <typename Number>
  void add(LiveBranch& branch, int dir, bool hides_below, Number&& number) {
    add_raw(branch, dir, hides_below);
    for (; numbered_ < list_.items_.size(); ++numbered_)
      list_.items_[numbered_].ino = number(branch, list_.items_[numbered_].ino);
  }
  MergedList finish() &&;

 private:
  void add_raw(LiveBranch& branch, int dir, bool hides_below);
  void add_entry(
      LiveBranch& branch, int dir, std::string_view name, std::uint64_t ino, std::uint8_t type);
  bool is_whiteout(const LiveBranch& branch, int dir, std::string_view name, std::uint8_t& type);
  void push(std::string_view name, std::uint64_t ino, std::uint8_t type, LiveBranch* branch);

  Options options_;
  bool is_first_ = true;
  MergedList list_;
  std::size_t numbered_ = 0;
  std::vector<std::string> new_whiteouts_;  ///< of the branch that is read
  std::unordered_set<std::string> hidden_;
  std::unordered_map<std::string, std::size_t> seen_;  ///< filled once a second branch is read
};

}  // namespace layerkit
