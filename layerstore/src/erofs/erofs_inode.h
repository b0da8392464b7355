#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "draft_dir.h"
#include "erofs/erofs_format.h"
#include "erofs/erofs_xattrs.h"
#include "layerkit/base/entry.h"
#include "memory_files.h"

namespace layerkit {

/// What every inode of an index has.
struct ErofsInode {
  FileType type = FileType::Regular;
  std::uint32_t mode = 0;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint64_t links = 1;
  std::uint64_t size = 0;
  Timestamp mtime;
  ErofsXattrSet xattrs;
};

/// How it stands on disk: the inode, its xattrs, then data or the indexes of chunks.
struct ErofsShape {
  bool extended = false;
  erofs::Layout layout = erofs::Layout::FlatPlain;
  std::size_t xattrs = 0;    ///< bytes of them
  std::uint64_t tail = 0;    ///< bytes of data behind them, in one block
  std::uint64_t chunks = 0;  ///< indexes behind them
  std::uint32_t chunk_bits = 0;

  /// Bytes of the inode and its xattrs.
  std::uint64_t head() const noexcept;
};

/// As Linux would make them of what the draft says; access control lists count. Of a directory,
/// `size` and `links` are for the caller to say.
ErofsInode inode_of(const DraftDir& dir);
ErofsInode inode_of(const DraftFile& file);
/// All whiteouts are one inode, as overlayfs makes them.
ErofsInode whiteout_inode(std::uint64_t links, Timestamp mtime);

/// Fills in all but data and chunks; `common_mtime` is that of compact inodes.
ErofsShape shape_of(const ErofsInode& inode, std::size_t xattr_bytes, Timestamp common_mtime);
/// Data of `size` bytes: at its end behind the inode if it can be there.
void add_data(ErofsShape& shape, FileType type, std::uint64_t size);

/// Where it can stand at `offset` or later.
std::uint64_t place_of(const ErofsShape& shape, FileType type, std::uint64_t offset);
/// Where its chunk indexes stand, and where it ends.
std::uint64_t chunks_at(const ErofsShape& shape, std::uint64_t place);
std::uint64_t end_of(const ErofsShape& shape, std::uint64_t place);

/// The number of a device as stat(2) has it. Throws Error{Unsupported} when it is too large.
std::uint32_t device_number(const DraftFile& file);
erofs::NodeType node_type(FileType type) noexcept;
/// The bytes of the inode. `place`: what `place` of the inode means for its layout and type.
std::string encode_inode(const ErofsInode& inode,
                         const ErofsShape& shape,
                         std::uint32_t number,
                         std::uint32_t place);

}  // namespace layerkit
