#pragma once

#include <cstdint>
#include <string>

#include "draft_arena.h"
#include "draft_dir.h"
#include "erofs/erofs_chunks.h"
#include "erofs/erofs_inode.h"
#include "erofs/erofs_output.h"
#include "erofs/erofs_xattrs.h"
#include "layerkit/base/byte_stream.h"
#include "layerkit/base/context.h"
#include "layerkit/base/entry.h"
#include "layerkit/layerstore/erofs_index.h"
#include "layerkit/layerstore/layer_tree.h"
#include "memory_files.h"

namespace layerkit {

/// Writes the EROFS image of one finished draft. Goes through the draft three times: to see what
/// is common, to give every inode its place, to write. The inodes come first, then the xattrs that
/// they share, then blocks of data: large directories, long targets of symlinks, copied contents.
/// Not thread-safe; to be used once.
class ErofsImage {
 public:
  /// `image` is an empty file. What is passed must outlive it; `lower` may be null.
  ErofsImage(int image,
             DraftArena& arena,
             const LayerTree* lower,
             const TarBytes& bytes,
             const ErofsIndexOptions& options,
             const Context& context);

  /// All facts but those that the applier knows.
  ErofsIndexFacts write(DraftDir& root);

 private:
  void survey(const DraftDir& dir);
  void survey(const ErofsInode& inode);

  void place(DraftDir& dir);
  std::uint64_t place(const ErofsInode& inode, const ErofsShape& shape);

  void emit(const DraftDir& dir);
  void emit_dir(const DraftDir& dir);
  void emit_file(const DraftFile& file);
  void emit_symlink(const DraftFile& file, const ErofsInode& inode, const ErofsShape& shape);
  void emit_regular(const DraftFile& file, const ErofsInode& inode, const ErofsShape& shape);
  void emit_whiteout();
  void emit_inode(std::uint64_t nid,
                  const ErofsInode& inode,
                  const ErofsShape& shape,
                  std::uint32_t place);
  void write_superblock(const DraftDir& root);

  template <typename Use>
  void for_each_dirent(const DraftDir& dir, const Use& use) const;
  /// Completes the inode, too.
  ErofsShape shape_of(const DraftDir& dir, ErofsInode& inode);
  ErofsShape shape_of(const DraftFile& file, const ErofsInode& inode);
  ErofsShape shape_of(const ErofsInode& inode) {
    return layerkit::shape_of(inode, xattrs_.encode(inode.xattrs).size(), common_mtime_);
  }

  std::uint32_t tar_block(const ErofsChunks::Chunk& chunk);
  std::uint32_t copy_chunk(const ErofsChunks& chunks, const ErofsChunks::Chunk& chunk);
  std::uint32_t copy_lower(const DraftFile& file);
  void copy(ByteSource& from, std::uint64_t size);
  std::uint32_t next_block() const;
  void fill_block();
  void step() {
    arena_.tidy();
    context_.check_interrupted();
  }

  int fd_;
  DraftArena& arena_;
  const LayerTree* lower_;
  const TarBytes& bytes_;
  ErofsIndexOptions options_;
  Context context_;
  ErofsXattrs xattrs_;
  std::string buffer_;

  Timestamp common_mtime_;  ///< of most inodes if most have the same
  std::uint64_t votes_ = 0;
  std::uint64_t whiteouts_ = 0;
  std::uint64_t whiteout_nid_ = 0;
  std::uint64_t inodes_ = 0;
  std::uint64_t next_place_;  ///< for an inode
  std::uint64_t xattr_area_ = 0;

  ErofsOutput meta_;
  ErofsOutput data_;
  std::uint64_t last_nid_ = 0;  ///< of those that were written
  std::uint32_t number_ = 0;
  std::uint64_t tar_blocks_ = 0;
  std::uint64_t copied_bytes_ = 0;
};

}  // namespace layerkit
