#include "erofs/erofs_image.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>
#include <span>

#include "erofs/draft_names.h"
#include "erofs/erofs_directory.h"
#include "erofs/erofs_format.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"

namespace layerkit {
namespace {

using erofs::kBlock;
using erofs::kNoBlock;
using erofs::kSlot;
using erofs::Layout;

/// Superblock and device table fill one block; the metadata begin behind it.
constexpr std::uint64_t kDeviceTable = erofs::kSuperblockAt + sizeof(erofs::Superblock);
constexpr std::uint64_t kMetaBegin = erofs::kSuperblockAt + kBlock;
constexpr std::size_t kCopyBuffer = std::size_t{64} << 10;
/// PATH_MAX without NUL.
constexpr std::size_t kMaxTarget = 4095;

std::uint64_t round_up(std::uint64_t value, std::uint64_t to) {
  return (value + to - 1) / to * to;
}

std::uint32_t crc32c(std::string_view bytes) {
  constexpr std::uint32_t kReversedPolynomial = 0x82f6'3b78;
  std::uint32_t crc = 0xffff'ffff;
  for (const char byte : bytes) {
    crc ^= static_cast<unsigned char>(byte);
    for (int bit = 0; bit < 8; ++bit)
      crc = crc >> 1U ^ ((crc & 1U) != 0 ? kReversedPolynomial : 0);
  }
  return crc;
}

/// Says which object cannot be indexed.
template <typename Work>
void indexing(const DraftDir& dir, std::string_view name, const Work& work) {
  with_context(
      [&] {
        return fmt::format("indexing {}",
                           quoted((name.empty() ? path_of(dir) : path_of(dir, name)).absolute()));
      },
      work);
}

std::uint64_t parent_nid(const DraftDir& dir) {
  return dir.is_root() ? dir.nid : dir.parent->nid;
}

}  // namespace

ErofsImage::ErofsImage(int image,
                       DraftArena& arena,
                       const LayerTree* lower,
                       const TarBytes& bytes,
                       const ErofsIndexOptions& options,
                       const Context& context)
    : fd_(image),
      arena_(arena),
      lower_(lower),
      bytes_(bytes),
      options_(options),
      context_(context),
      xattrs_(options.format, &arena),
      next_place_(kMetaBegin),
      meta_(image, kMetaBegin),
      data_(image, 0) {}

ErofsIndexFacts ErofsImage::write(DraftDir& root) {
  survey(root);
  place(root);
  xattr_area_ = round_up(next_place_, kBlock);
  const std::uint64_t data = round_up(xattr_area_ + xattrs_.shared_bytes(), kBlock);
  data_ = ErofsOutput(fd_, data);
  ErofsOutput shared(fd_, xattr_area_);
  xattrs_.write_shared(shared);
  shared.flush();
  emit(root);
  meta_.flush();
  data_.flush();
  write_superblock(root);
  const std::uint64_t size = data_.offset();
  if (::ftruncate(fd_, static_cast<off_t>(size)) != 0) {
    const int err = errno;
    fail_errno(err, "writing the index of a layer");
  }
  ErofsIndexFacts facts;
  facts.inodes = inodes_;
  facts.index_bytes = size;
  facts.copied_bytes = copied_bytes_;
  return facts;
}

// What is common.

void ErofsImage::survey(const DraftDir& dir) {
  step();
  indexing(dir, {}, [&] { survey(inode_of(dir)); });
  for_each_name(dir, [&](const DraftName& name) {
    if (name.file != nullptr) {
      indexing(dir, name.name, [&] { survey(inode_of(*name.file)); });
    } else if (name.dir == nullptr) {
      ++whiteouts_;
    }
  });
  for (const auto& [name, child] : dir.children) {
    if (child->made) survey(*child);
  }
}

void ErofsImage::survey(const ErofsInode& inode) {
  xattrs_.count(inode.xattrs);
  // A majority survives this (Boyer and Moore).
  if (votes_ == 0) common_mtime_ = inode.mtime;
  if (inode.mtime == common_mtime_) {
    ++votes_;
  } else {
    --votes_;
  }
}

// Places.

void ErofsImage::place(DraftDir& dir) {
  step();
  indexing(dir, {}, [&] {
    ErofsInode inode = inode_of(dir);
    const ErofsShape shape = shape_of(dir, inode);
    dir.nid = place(inode, shape);
  });
  // The root is first: its nid has 16 bits only.
  if (dir.is_root() && whiteouts_ > 0) {
    const ErofsInode inode = whiteout_inode(whiteouts_, common_mtime_);
    whiteout_nid_ = place(inode, shape_of(inode));
  }
  for_each_name(dir, [&](const DraftName& name) {
    if (name.file == nullptr || name.file->nid != 0) return;
    indexing(dir, name.name, [&] {
      const ErofsInode inode = inode_of(*name.file);
      name.file->nid = place(inode, shape_of(*name.file, inode));
    });
  });
  for (const auto& [name, child] : dir.children) {
    if (child->made) place(*child);
  }
}

std::uint64_t ErofsImage::place(const ErofsInode& inode, const ErofsShape& shape) {
  const std::uint64_t at = place_of(shape, inode.type, next_place_);
  next_place_ = round_up(end_of(shape, at), kSlot);
  ++inodes_;
  return at / kSlot;
}

template <typename Use>
void ErofsImage::for_each_dirent(const DraftDir& dir, const Use& use) const {
  std::array<ErofsName, 2> dots{{{".", dir.nid, erofs::NodeType::Directory},
                                 {"..", parent_nid(dir), erofs::NodeType::Directory}}};
  std::span<ErofsName> left(dots);
  const auto use_dots = [&](std::string_view before) {
    for (; !left.empty() && (before.empty() || left.front().name < before); left = left.subspan(1))
      use(left.front());
  };
  for_each_name(dir, [&](const DraftName& name) {
    use_dots(name.name);
    if (name.dir != nullptr) {
      use(ErofsName{name.name, name.dir->nid, erofs::NodeType::Directory});
    } else if (name.file != nullptr) {
      use(ErofsName{name.name, name.file->nid, node_type(name.file->type)});
    } else {
      use(ErofsName{name.name, whiteout_nid_, erofs::NodeType::CharDevice});
    }
  });
  use_dots({});
}

ErofsShape ErofsImage::shape_of(const DraftDir& dir, ErofsInode& inode) {
  ErofsDirectorySize size;
  for_each_dirent(dir, [&](const ErofsName& name) { size.add(name.name.size()); });
  inode.size = size.bytes();
  inode.links = 2;
  for (const auto& [name, child] : dir.children)
    inode.links += child->made ? 1 : 0;
  ErofsShape shape = shape_of(inode);
  add_data(shape, inode.type, inode.size);
  return shape;
}

ErofsShape ErofsImage::shape_of(const DraftFile& file, const ErofsInode& inode) {
  ErofsShape shape = shape_of(inode);
  if (file.type == FileType::Symlink) {
    if (inode.size > kMaxTarget) {
      fail(Errc::Limit, "storing a symlink: its target has more than {} bytes", kMaxTarget);
    }
    add_data(shape, file.type, inode.size);
  }
  if (file.type == FileType::Regular && file.size > 0 && !file.is_lower) {
    const ErofsChunks chunks(file.extents, file.size);
    shape.layout = Layout::Chunks;
    shape.chunks = chunks.count();
    shape.chunk_bits = chunks.bits();
  }
  return shape;
}

// Writing.

void ErofsImage::emit(const DraftDir& dir) {
  step();
  indexing(dir, {}, [&] { emit_dir(dir); });
  if (dir.is_root() && whiteouts_ > 0) emit_whiteout();
  for_each_name(dir, [&](const DraftName& name) {
    // Places grow: what is behind the last one was not written yet.
    if (name.file == nullptr || name.file->nid <= last_nid_) return;
    indexing(dir, name.name, [&] { emit_file(*name.file); });
  });
  for (const auto& [name, child] : dir.children) {
    if (child->made) emit(*child);
  }
}

void ErofsImage::emit_dir(const DraftDir& dir) {
  ErofsInode inode = inode_of(dir);
  const ErofsShape shape = shape_of(dir, inode);
  const std::uint32_t first = inode.size > shape.tail ? next_block() : kNoBlock;
  ErofsDirectoryBlocks blocks;
  for_each_dirent(dir, [&](const ErofsName& name) {
    if (!blocks.add(name)) return;
    data_.write(blocks.block());
    fill_block();
  });
  blocks.finish();
  if (shape.tail == 0) {
    data_.write(blocks.block());
    fill_block();
  }
  emit_inode(dir.nid, inode, shape, first);
  if (shape.tail > 0) meta_.write(blocks.block());
}

void ErofsImage::emit_whiteout() {
  const ErofsInode inode = whiteout_inode(whiteouts_, common_mtime_);
  emit_inode(whiteout_nid_, inode, shape_of(inode), 0);
}

void ErofsImage::emit_file(const DraftFile& file) {
  const ErofsInode inode = inode_of(file);
  const ErofsShape shape = shape_of(file, inode);
  if (file.type == FileType::Symlink) return emit_symlink(file, inode, shape);
  if (file.type == FileType::Regular) return emit_regular(file, inode, shape);
  emit_inode(file.nid, inode, shape, device_number(file));
}

void ErofsImage::emit_symlink(const DraftFile& file,
                              const ErofsInode& inode,
                              const ErofsShape& shape) {
  if (shape.tail > 0) {
    emit_inode(file.nid, inode, shape, kNoBlock);
    return meta_.write(file.text);
  }
  emit_inode(file.nid, inode, shape, next_block());
  data_.write(file.text);
  fill_block();
}

void ErofsImage::emit_regular(const DraftFile& file,
                              const ErofsInode& inode,
                              const ErofsShape& shape) {
  if (shape.chunks == 0) {
    return emit_inode(file.nid, inode, shape, file.size == 0 ? kNoBlock : copy_lower(file));
  }
  emit_inode(file.nid, inode, shape, shape.chunk_bits | erofs::kChunkIndexes);
  meta_.fill_to(chunks_at(shape, file.nid * kSlot));
  const ErofsChunks chunks(file.extents, file.size);
  chunks.for_each([&](const ErofsChunks::Chunk& chunk) {
    erofs::ChunkIndex index;
    index.block = kNoBlock;
    if (chunk.kind == ErofsChunks::Kind::InTar) {
      index.device = 1;
      index.block = tar_block(chunk);
    } else if (chunk.kind == ErofsChunks::Kind::Copied) {
      index.block = copy_chunk(chunks, chunk);
    }
    meta_.write_record(index);
  });
}

void ErofsImage::emit_inode(std::uint64_t nid,
                            const ErofsInode& inode,
                            const ErofsShape& shape,
                            std::uint32_t place) {
  meta_.fill_to(nid * kSlot);
  last_nid_ = nid;
  meta_.write(encode_inode(inode, shape, ++number_, place));
  meta_.write(xattrs_.encode(inode.xattrs));
}

// Data.

std::uint32_t ErofsImage::tar_block(const ErofsChunks::Chunk& chunk) {
  const std::uint64_t at = options_.data_offset + chunk.tar_offset;
  const std::uint64_t end = (at + chunk.size + kBlock - 1) / kBlock;
  if (end > kNoBlock) {
    fail(Errc::Limit, "addressing its contents: they are more than 2 TiB into the archive");
  }
  tar_blocks_ = std::max(tar_blocks_, end);
  return static_cast<std::uint32_t>(at / kBlock);
}

std::uint32_t ErofsImage::copy_chunk(const ErofsChunks& chunks, const ErofsChunks::Chunk& chunk) {
  const std::uint32_t block = next_block();
  const std::uint64_t begin = data_.offset();
  chunks.for_each_piece(chunk, [&](const TarExtent& piece) {
    data_.fill_to(begin + (piece.file_offset - chunk.file_offset));
    copy(*bytes_(piece.tar_offset, piece.length), piece.length);
  });
  data_.fill_to(begin + chunk.size);
  copied_bytes_ += chunk.size;
  fill_block();
  return block;
}

std::uint32_t ErofsImage::copy_lower(const DraftFile& file) {
  const std::uint32_t block = next_block();
  copy(*lower_->open(RelPath::parse(file.text)), file.size);
  copied_bytes_ += file.size;
  fill_block();
  return block;
}

void ErofsImage::copy(ByteSource& from, std::uint64_t size) {
  buffer_.resize(kCopyBuffer);
  while (size > 0) {
    context_.check_interrupted();
    const std::size_t wanted = std::min<std::uint64_t>(size, buffer_.size());
    const std::size_t got = from.read(std::as_writable_bytes(std::span(buffer_.data(), wanted)));
    if (got == 0) fail(Errc::Integrity, "copying its contents: they are shorter than before");
    data_.write(std::string_view(buffer_).substr(0, got));
    size -= got;
  }
}

std::uint32_t ErofsImage::next_block() const {
  const std::uint64_t block = data_.offset() / kBlock;
  if (block >= kNoBlock) fail(Errc::Limit, "writing its data: the index has more than 2 TiB");
  return static_cast<std::uint32_t>(block);
}

void ErofsImage::fill_block() {
  data_.fill_to(round_up(data_.offset(), kBlock));
}

void ErofsImage::write_superblock(const DraftDir& root) {
  erofs::Superblock super;
  super.magic = erofs::kMagic;
  super.feature_compat = erofs::kCompatChecksum | erofs::kCompatMtime;
  super.block_bits = erofs::kBlockBits;
  super.root_nid = static_cast<std::uint16_t>(root.nid);
  super.inodes = inodes_;
  super.build_time = static_cast<std::uint64_t>(common_mtime_.seconds);
  super.build_time_ns = common_mtime_.nanoseconds;
  super.blocks = next_block();
  super.xattr_block = static_cast<std::uint32_t>(xattr_area_ / kBlock);
  super.feature_incompat = erofs::kIncompatChunkedFile | erofs::kIncompatDeviceTable;
  super.extra_devices = 1;
  super.device_table_slot = kDeviceTable / sizeof(erofs::DeviceSlot);
  erofs::DeviceSlot tar;
  tar.blocks = static_cast<std::uint32_t>(tar_blocks_);
  std::string block(reinterpret_cast<const char*>(&super), sizeof super);
  block.append(reinterpret_cast<const char*>(&tar), sizeof tar);
  block.resize(kBlock, '\0');
  super.checksum = crc32c(block);
  block.replace(0, sizeof super, reinterpret_cast<const char*>(&super), sizeof super);
  ErofsOutput output(fd_, erofs::kSuperblockAt);
  output.write(block);
  output.flush();
}

}  // namespace layerkit
