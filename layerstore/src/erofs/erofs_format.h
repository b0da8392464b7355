#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>

/// EROFS as it is on disk, as far as our indexes use it: docs/formats/erofs-index.md. Kernel:
/// Documentation/filesystems/erofs.rst, fs/erofs/erofs_fs.h.
namespace layerkit::erofs {

/// A number as it is on disk: lowest byte first, at any address.
template <std::unsigned_integral Number>
class Little {
 public:
  constexpr Little() noexcept = default;
  explicit constexpr Little(Number value) noexcept { *this = value; }

  constexpr Little& operator=(Number value) noexcept {
    for (std::size_t i = 0; i < bytes_.size(); ++i)
      bytes_[i] = static_cast<unsigned char>(value >> (8 * i));
    return *this;
  }
  constexpr Number get() const noexcept {
    Number value = 0;
    for (std::size_t i = 0; i < bytes_.size(); ++i)
      value = static_cast<Number>(value | static_cast<Number>(Number{bytes_[i]} << (8 * i)));
    return value;
  }

 private:
  std::array<unsigned char, sizeof(Number)> bytes_{};
};

using Le16 = Little<std::uint16_t>;
using Le32 = Little<std::uint32_t>;
using Le64 = Little<std::uint64_t>;

/// The block of a tar: what every address counts.
inline constexpr unsigned kBlockBits = 9;
inline constexpr std::uint64_t kBlock = std::uint64_t{1} << kBlockBits;
/// Inodes stand at multiples of this; a nid is their place divided by it.
inline constexpr std::uint64_t kSlot = 32;
inline constexpr std::uint64_t kSuperblockAt = 1024;
/// A block address that says "zeros" of a chunk and "nothing" of an inode.
inline constexpr std::uint32_t kNoBlock = 0xffff'ffff;

inline constexpr std::uint32_t kMagic = 0xe0f5'e1e2;
inline constexpr std::uint32_t kCompatChecksum = 0x1;
inline constexpr std::uint32_t kCompatMtime = 0x2;
inline constexpr std::uint32_t kIncompatChunkedFile = 0x4;
inline constexpr std::uint32_t kIncompatDeviceTable = 0x8;

struct Superblock {
  Le32 magic;
  Le32 checksum;  ///< CRC-32C of the block from here to its end, this field being 0
  Le32 feature_compat;
  std::uint8_t block_bits = 0;
  std::uint8_t extra_slots = 0;
  Le16 root_nid;
  Le64 inodes;
  Le64 build_time;  ///< the mtime of compact inodes
  Le32 build_time_ns;
  Le32 blocks;
  Le32 meta_block;   ///< where nid 0 is
  Le32 xattr_block;  ///< where shared xattr 0 is
  std::array<std::uint8_t, 16> uuid{};
  std::array<std::uint8_t, 16> volume_name{};
  Le32 feature_incompat;
  Le16 compression;
  Le16 extra_devices;
  Le16 device_table_slot;  ///< times the size of a slot: where the table is
  std::uint8_t directory_block_bits = 0;
  std::uint8_t xattr_prefixes = 0;
  Le32 xattr_prefix_start;
  Le64 packed_nid;
  std::array<std::uint8_t, 24> reserved{};
};
static_assert(sizeof(Superblock) == 128 && alignof(Superblock) == 1);
static_assert(offsetof(Superblock, root_nid) == 14 && offsetof(Superblock, blocks) == 36 &&
              offsetof(Superblock, feature_incompat) == 80 &&
              offsetof(Superblock, device_table_slot) == 88 &&
              offsetof(Superblock, packed_nid) == 96);

struct DeviceSlot {
  std::array<std::uint8_t, 64> tag{};
  Le32 blocks;
  Le32 mapped_block;
  std::array<std::uint8_t, 56> reserved{};
};
static_assert(sizeof(DeviceSlot) == 128);

/// How an inode says where its data is; bits 1 to 3 of its format.
enum class Layout : std::uint16_t {
  FlatPlain = 0,   ///< in blocks that follow each other
  FlatInline = 2,  ///< the same, but the last, incomplete one stands behind the inode
  Chunks = 4,      ///< behind the inode stands where each chunk is
};
/// Bit 0 of an inode's format: 64 bytes instead of 32.
inline constexpr std::uint16_t kExtendedInode = 1;

constexpr std::uint16_t inode_format(Layout layout, std::uint16_t extended) noexcept {
  return static_cast<std::uint16_t>(static_cast<std::uint16_t>(layout) << 1U | extended);
}

struct CompactInode {
  Le16 format;
  Le16 xattr_count;  ///< 0, or 1 + (bytes of the xattrs - 12) / 4
  Le16 mode;
  Le16 links;
  Le32 size;
  Le32 reserved;
  Le32 place;  ///< first block, device number or chunk format
  Le32 number;
  Le16 uid;
  Le16 gid;
  Le32 reserved2;
};
static_assert(sizeof(CompactInode) == 32 && offsetof(CompactInode, place) == 16 &&
              offsetof(CompactInode, gid) == 26);

struct ExtendedInode {
  Le16 format;
  Le16 xattr_count;
  Le16 mode;
  Le16 reserved;
  Le64 size;
  Le32 place;
  Le32 number;
  Le32 uid;
  Le32 gid;
  Le64 mtime;  ///< seconds, two's complement
  Le32 mtime_ns;
  Le32 links;
  std::array<std::uint8_t, 16> reserved2{};
};
static_assert(sizeof(ExtendedInode) == 64 && offsetof(ExtendedInode, place) == 16 &&
              offsetof(ExtendedInode, mtime) == 32 && offsetof(ExtendedInode, links) == 44);

/// Of a chunk format: chunks are `kBlock << bits` bytes, and indexes say where they are.
inline constexpr unsigned kMaxChunkBits = 31;
inline constexpr std::uint32_t kChunkIndexes = 0x20;

struct ChunkIndex {
  Le16 reserved;
  Le16 device;  ///< 0: the index itself; 1: the tar
  Le32 block;
};
static_assert(sizeof(ChunkIndex) == 8);

/// In front of an inode's xattrs; numbers of shared ones follow, then its own.
struct XattrHeader {
  Le32 name_filter;
  std::uint8_t shared_count = 0;
  std::array<std::uint8_t, 7> reserved{};
};
static_assert(sizeof(XattrHeader) == 12);
inline constexpr std::size_t kMaxSharedXattrs = 255;
/// What xattr_count can say.
inline constexpr std::uint64_t kMaxXattrBytes =
    sizeof(XattrHeader) + std::uint64_t{4} * (0xffff - 1);

/// Name and value follow, then zeros up to a multiple of 4.
struct XattrEntry {
  std::uint8_t name_size = 0;
  std::uint8_t name_prefix = 0;
  Le16 value_size;
};
static_assert(sizeof(XattrEntry) == 4);

/// What stands for the beginning of an xattr's name.
enum class XattrPrefix : std::uint8_t {
  User = 1,
  PosixAclAccess = 2,
  PosixAclDefault = 3,
  Trusted = 4,
  Security = 6,
};

struct DirectoryEntry {
  Le64 nid;
  Le16 name_at;  ///< in its block; of the first entry: where the entries end
  std::uint8_t type = 0;
  std::uint8_t reserved = 0;
};
static_assert(sizeof(DirectoryEntry) == 12);
inline constexpr std::size_t kMaxName = 255;

/// The types of directory entries.
enum class NodeType : std::uint8_t {
  Regular = 1,
  Directory = 2,
  CharDevice = 3,
  BlockDevice = 4,
  Fifo = 5,
  Socket = 6,
  Symlink = 7,
};

}  // namespace layerkit::erofs
