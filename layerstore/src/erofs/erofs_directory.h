#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "erofs/erofs_format.h"

namespace layerkit {

struct ErofsName {
  std::string_view name;
  std::uint64_t nid = 0;
  erofs::NodeType type = erofs::NodeType::Regular;
};

/// How large a directory is, from the sizes of its names in order.
class ErofsDirectorySize {
 public:
  void add(std::size_t name_size) noexcept {
    const std::size_t needed = sizeof(erofs::DirectoryEntry) + name_size;
    if (used_ + needed > erofs::kBlock) {
      ++complete_;
      used_ = 0;
    }
    used_ += needed;
  }
  std::uint64_t bytes() const noexcept { return complete_ * erofs::kBlock + used_; }

 private:
  std::size_t used_ = 0;  ///< of the last block
  std::uint64_t complete_ = 0;
};

/// The blocks of one directory, from its names, "." and ".." among them, in the order of their
/// bytes. In a block stand first the entries, then their names.
class ErofsDirectoryBlocks {
 public:
  /// True when the name does not fit into the current block any more: that is complete then, and
  /// the name is the first of the next one. Names added must stay where they are until then.
  bool add(const ErofsName& name);

  /// The block that add() has just completed, without the zeros at its end.
  const std::string& block() const noexcept { return block_; }
  /// Makes block() the current one, at the end of the directory.
  void finish() { encode(); }

 private:
  static constexpr std::size_t kMaxNames = erofs::kBlock / (sizeof(erofs::DirectoryEntry) + 1);

  void encode();

  std::array<ErofsName, kMaxNames> names_;
  std::size_t count_ = 0;
  std::size_t used_ = 0;
  std::string block_;
};

}  // namespace layerkit
