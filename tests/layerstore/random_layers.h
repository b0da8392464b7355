#pragma once

#include <fmt/core.h>

#include <cstdint>
#include <random>
#include <string>

#include "layer_items.h"

namespace layerkit::testing {

/// Makes entries that meet each other often: few names, little depth, every kind. Not thread-safe.
class RandomLayers {
 public:
  explicit RandomLayers(std::uint64_t seed) : random_(seed) {}

  std::size_t below(std::size_t bound) {
    return std::uniform_int_distribution<std::size_t>(0, bound - 1)(random_);
  }

  std::string path() {
    std::string text = name();
    while (below(5) < 3)
      text += "/" + name();
    return text;
  }

  LayerItem next() {
    LayerItem made = kind();
    Entry& entry = made.entry;
    if (entry.hides != Hides::Nothing) return made;
    constexpr std::uint32_t kModes[] = {0755, 0700, 0644, 04711, 01777, 0};
    if (entry.type != FileType::Symlink) entry.mode = kModes[below(6)];
    entry.uid = static_cast<std::uint32_t>(below(3) * 1000);
    entry.gid = static_cast<std::uint32_t>(below(3) * 100);
    entry.mtime = {static_cast<std::int64_t>(below(2'000'000'000)),
                   static_cast<std::uint32_t>(below(1'000'000'000))};
    const bool plain = entry.type == FileType::Regular || entry.type == FileType::Directory;
    if (plain && below(6) == 0) entry.xattrs["user." + name()] = name();
    if (below(10) == 0) entry.xattrs["trusted.overlay.opaque"] = "y";
    return made;
  }

 private:
  std::string name() { return std::string(1, "abcde"[below(5)]); }

  LayerItem node() {
    switch (below(4)) {
      case 0:
        return device(FileType::CharDevice, path(), 1, 3);
      case 1:
        return device(FileType::BlockDevice, path(), 8, 1);
      default:
        return fifo(path());
    }
  }

  std::string symlink_target() {
    constexpr const char* kStarts[] = {"", "/", "../", "../../", "a/../"};
    return kStarts[below(5)] + path();
  }

  LayerItem kind() {
    switch (below(16)) {
      case 0:
      case 1:
      case 2:
      case 3:
        return dir(path());
      case 4:
      case 5:
      case 6:
        return file(path(), fmt::format("contents {}", counter_++));
      case 7:
      case 8:
        return symlink(path(), symlink_target());
      case 9:
        return node();
      case 10:
      case 11:
        return link(path(), path());
      case 12:
      case 13:
      case 14:
        return whiteout(path());
      default:
        if (below(20) == 0) return below(2) == 0 ? dir("") : opaque("");
        return opaque(path());
    }
  }

  std::mt19937_64 random_;
  int counter_ = 0;
};

}  // namespace layerkit::testing
