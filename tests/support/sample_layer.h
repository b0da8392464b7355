#pragma once

#include <random>
#include <string>
#include <vector>

#include "raw_tar.h"

namespace layerkit::testing {

/// Random layers that are the same for the same seed, everywhere.
class SampleLayers {
 public:
  explicit SampleLayers(std::uint32_t seed) : random_(seed) {}

  std::vector<TarItem> layer(std::size_t entries) {
    std::vector<TarItem> items;
    while (items.size() < entries)
      items.push_back(item(items.size()));
    return items;
  }

  std::uint64_t below(std::uint64_t bound) { return random_() % bound; }

  std::string bytes(std::size_t count) {
    std::string text(count, '\0');
    for (char& byte : text)
      byte = static_cast<char>(random_());
    return text;
  }

 private:
  std::string name() {
    static constexpr std::size_t kLengths[] = {1, 5, 20, 99, 100, 101, 155, 250};
    std::string text = bytes(kLengths[below(std::size(kLengths))]);
    for (char& byte : text) {
      if (byte == '\0' || byte == '/' || byte == '.') byte = 'x';
    }
    return text;
  }

  RelPath path(std::size_t index) {
    RelPath path = RelPath::parse(std::to_string(index));
    for (std::uint64_t depth = below(4); depth > 0; --depth)
      path = path / name();
    return path;
  }

  std::uint32_t id() {
    static constexpr std::uint32_t kIds[] = {0, 1000, 2097151, 2097152, 4294967294};
    return kIds[below(std::size(kIds))];
  }

  Timestamp time() {
    static constexpr std::int64_t kSeconds[] = {
        0, 1, -1, -5'000'000'000, 1'700'000'000, 8'589'934'591, 8'589'934'592, INT64_MAX - 1};
    const auto nanoseconds = static_cast<std::uint32_t>(below(1'000'000'000));
    return {kSeconds[below(std::size(kSeconds))], below(2) == 0 ? 0 : nanoseconds};
  }

  void add_details(Entry& entry) {
    entry.mode = static_cast<std::uint32_t>(below(010000));
    entry.uid = id();
    entry.gid = id();
    entry.mtime = time();
    for (std::uint64_t count = below(4); count > 0; --count) {
      entry.xattrs["user." + std::to_string(below(1000))] = bytes(below(50));
    }
  }

  TarItem item(std::size_t index) {
    TarItem item;
    Entry& entry = item.entry;
    entry.path = path(index);
    switch (below(9)) {
      case 0:
        entry.hides = Hides::Path;
        return item;
      case 1:
        entry.hides = Hides::Below;
        entry.type = FileType::Directory;
        return item;
      case 2:
        entry.type = FileType::Directory;
        break;
      case 3:
        entry.type = FileType::Symlink;
        entry.symlink_target = "../" + name() + "/" + name();
        break;
      case 4:
        entry.type = below(2) == 0 ? FileType::CharDevice : FileType::BlockDevice;
        entry.device_major = static_cast<std::uint32_t>(1 + below(4095));
        entry.device_minor = static_cast<std::uint32_t>(below(1'048'576));
        break;
      case 5:
        entry.type = FileType::Fifo;
        break;
      case 6:
        entry.hard_link_target = path(index + 1'000'000);
        break;
      default:
        item.contents = bytes(below(3) == 0 ? below(300'000) : below(1025));
        entry.size = item.contents.size();
    }
    add_details(entry);
    return item;
  }

  std::mt19937 random_;
};

inline std::string write_tar(const std::vector<TarItem>& items,
                             const TarWriterOptions& options = {}) {
  std::string tar;
  MemorySink sink(tar);
  const auto writer = make_tar_writer(sink, options);
  for (const TarItem& item : items) {
    MemorySource contents(item.contents);
    writer->add(item.entry, contents);
  }
  writer->finish();
  return tar;
}

}  // namespace layerkit::testing
