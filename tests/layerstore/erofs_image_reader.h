#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace layerkit::testing {

/// Reads an EROFS image by the kernel's description of the format, from the bytes alone, as far as
/// our indexes use it. Anything out of bounds throws.
class ErofsReader {
 public:
  struct Chunk {
    std::uint64_t device = 0;
    std::uint64_t block = 0;
  };
  struct Inode {
    std::uint64_t nid = 0;
    bool extended = false;
    unsigned layout = 0;
    std::uint64_t mode = 0;  ///< with the type
    std::uint64_t links = 0;
    std::uint64_t size = 0;
    std::uint64_t place = 0;
    std::uint64_t uid = 0;
    std::uint64_t gid = 0;
    std::int64_t mtime = 0;
    std::uint64_t mtime_ns = 0;
    std::uint64_t xattr_bytes = 0;
    std::size_t shared_xattrs = 0;
    std::uint64_t behind = 0;  ///< where the file goes on after inode and xattrs
    std::map<std::string, std::string> xattrs;
  };
  struct Name {
    std::uint64_t nid = 0;
    unsigned type = 0;
  };

  static constexpr std::uint64_t kSuper = 1024;
  static constexpr std::uint64_t kBlock = 512;

  /// `image` and `tar` must outlive it.
  ErofsReader(std::string_view image, std::string_view tar) : image_(image), tar_(tar) {}

  std::uint64_t number(std::uint64_t at, std::size_t bytes) const {
    const std::string_view field = slice(image_, at, bytes);
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < bytes; ++i)
      value |= std::uint64_t{static_cast<unsigned char>(field[i])} << (8 * i);
    return value;
  }
  std::uint64_t super(std::uint64_t at, std::size_t bytes) const {
    return number(kSuper + at, bytes);
  }

  std::uint64_t root() const { return super(14, 2); }

  Inode inode(std::uint64_t nid) const {
    Inode inode;
    inode.nid = nid;
    const std::uint64_t at = super(40, 4) * kBlock + nid * 32;
    const std::uint64_t format = number(at, 2);
    if (format >> 4U != 0) throw std::runtime_error("unknown bits in an inode's format");
    inode.extended = (format & 1U) != 0;
    inode.layout = static_cast<unsigned>(format >> 1U);
    const std::uint64_t count = number(at + 2, 2);
    inode.xattr_bytes = count == 0 ? 0 : 12 + 4 * (count - 1);
    inode.mode = number(at + 4, 2);
    inode.place = number(at + 16, 4);
    if (inode.extended) {
      inode.size = number(at + 8, 8);
      inode.uid = number(at + 24, 4);
      inode.gid = number(at + 28, 4);
      inode.mtime = static_cast<std::int64_t>(number(at + 32, 8));
      inode.mtime_ns = number(at + 40, 4);
      inode.links = number(at + 44, 4);
    } else {
      inode.links = number(at + 6, 2);
      inode.size = number(at + 8, 4);
      inode.uid = number(at + 24, 2);
      inode.gid = number(at + 26, 2);
      inode.mtime = static_cast<std::int64_t>(super(24, 8));
      inode.mtime_ns = super(32, 4);
    }
    const std::uint64_t xattrs = at + (inode.extended ? 64 : 32);
    inode.behind = xattrs + inode.xattr_bytes;
    if (inode.xattr_bytes > 0) read_xattrs(xattrs, inode);
    return inode;
  }

  /// Of a directory, a symlink, or a file that has blocks or a tail.
  std::string flat_data(const Inode& inode) const {
    const std::uint64_t tail = inode.layout == 2 ? tail_of(inode) : 0;
    if (inode.behind % kBlock + tail > kBlock) throw std::runtime_error("a tail in two blocks");
    std::string data;
    if (inode.size > tail) data = slice(image_, inode.place * kBlock, inode.size - tail);
    if (tail > 0) data += slice(image_, inode.behind, tail);
    return data;
  }

  unsigned chunk_bits(const Inode& inode) const {
    if ((inode.place & ~std::uint64_t{0x1f}) != 0x20) throw std::runtime_error("no chunk indexes");
    return static_cast<unsigned>(inode.place & 0x1fU);
  }
  std::vector<Chunk> chunks(const Inode& inode) const {
    const std::uint64_t size = kBlock << chunk_bits(inode);
    std::vector<Chunk> chunks((inode.size + size - 1) / size);
    std::uint64_t at = (inode.behind + 7) / 8 * 8;
    for (Chunk& chunk : chunks) {
      chunk = {number(at + 2, 2), number(at + 4, 4)};
      at += 8;
    }
    return chunks;
  }

  std::string contents(const Inode& inode) const {
    if (inode.layout != 4) return flat_data(inode);
    const std::uint64_t size = kBlock << chunk_bits(inode);
    std::string data;
    for (const Chunk& chunk : chunks(inode)) {
      const std::uint64_t wanted = std::min(size, inode.size - data.size());
      if (chunk.block == 0xffffffffU) {
        data.append(wanted, '\0');
      } else {
        data += slice(chunk.device == 0 ? image_ : tar_, chunk.block * kBlock, wanted);
      }
    }
    return data;
  }

  /// All names, as they stand there.
  std::vector<std::pair<std::string, Name>> names(const Inode& directory) const {
    const std::string data = flat_data(directory);
    std::vector<std::pair<std::string, Name>> names;
    for (std::uint64_t block = 0; block < data.size(); block += kBlock) {
      read_names(std::string_view(data).substr(block, kBlock), names);
    }
    return names;
  }

  /// The inode of a path; "" is the root.
  Inode find(std::string_view path) const {
    Inode at = inode(root());
    while (!path.empty()) {
      const std::string_view name = path.substr(0, path.find('/'));
      path.remove_prefix(std::min(path.size(), name.size() + 1));
      at = inode(child(at, name));
    }
    return at;
  }

 private:
  static std::string_view slice(std::string_view from, std::uint64_t at, std::uint64_t size) {
    if (at > from.size() || size > from.size() - at) throw std::runtime_error("out of the image");
    return from.substr(at, size);
  }

  static std::uint64_t tail_of(const Inode& inode) {
    // A symlink that has a tail is nothing else.
    if ((inode.mode & 0170000U) == 0120000) return inode.size;
    return inode.size % kBlock;
  }

  std::uint64_t child(const Inode& directory, std::string_view name) const {
    for (const auto& [found, child] : names(directory)) {
      if (found == name) return child.nid;
    }
    throw std::runtime_error("no such name: " + std::string(name));
  }

  static std::uint64_t field(std::string_view block, std::uint64_t at, std::size_t bytes) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < bytes; ++i)
      value |= std::uint64_t{static_cast<unsigned char>(block.at(at + i))} << (8 * i);
    return value;
  }

  static void read_names(std::string_view block, std::vector<std::pair<std::string, Name>>& names) {
    const std::uint64_t count = field(block, 8, 2) / 12;
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::uint64_t begin = field(block, 12 * i + 8, 2);
      const std::uint64_t end = i + 1 < count ? field(block, 12 * i + 20, 2) : block.size();
      const std::string_view text = slice(block, begin, end - begin);
      names.emplace_back(
          text.substr(0, text.find('\0')),
          Name{field(block, 12 * i, 8), static_cast<unsigned>(field(block, 12 * i + 10, 1))});
    }
  }

  void read_xattrs(std::uint64_t at, Inode& inode) const {
    const std::uint64_t end = at + inode.xattr_bytes;
    inode.shared_xattrs = number(at + 4, 1);
    at += 12;
    for (std::size_t i = 0; i < inode.shared_xattrs; ++i, at += 4)
      read_xattr(super(44, 4) * kBlock + 4 * number(at, 4), inode);
    while (at < end)
      at = read_xattr(at, inode);
    if (at != end) throw std::runtime_error("xattrs longer than they say");
  }

  std::uint64_t read_xattr(std::uint64_t at, Inode& inode) const {
    static const std::map<std::uint64_t, std::string> kPrefixes = {{1, "user."},
                                                                   {2, "system.posix_acl_access"},
                                                                   {3, "system.posix_acl_default"},
                                                                   {4, "trusted."},
                                                                   {6, "security."}};
    const std::uint64_t name_size = number(at, 1);
    const std::uint64_t value_size = number(at + 2, 2);
    std::string name = kPrefixes.at(number(at + 1, 1));
    name += slice(image_, at + 4, name_size);
    const std::string value(slice(image_, at + 4 + name_size, value_size));
    if (!inode.xattrs.emplace(name, value).second) throw std::runtime_error("an xattr twice");
    return at + (4 + name_size + value_size + 3) / 4 * 4;
  }

  std::string_view image_;
  std::string_view tar_;
};

}  // namespace layerkit::testing
