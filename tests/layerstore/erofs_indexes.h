#pragma once

#include <fcntl.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "erofs_image_reader.h"
#include "layer_outlines.h"
#include "layerkit/base/file.h"
#include "layerkit/layerstore/erofs_index.h"
#include "temp_dir.h"

namespace layerkit::testing {

/// Bytes that stand `offset` bytes into `archive`, again.
inline TarBytes bytes_of_archive(const std::string& archive, std::uint64_t offset = 0) {
  return [&archive, offset](std::uint64_t at, std::uint64_t length) {
    return std::make_unique<MemorySource>(std::string_view(archive).substr(offset + at, length));
  };
}

/// A tar and the index of its layer in memory.
struct Indexed {
  std::string tar;
  std::string image;
  ErofsIndexFacts facts;

  ErofsReader reader() const { return {image, tar}; }
};

/// The layer's tar stands `options.data_offset` bytes into `archive`.
inline Indexed index_archive(std::string archive,
                             std::size_t tar_bytes,
                             const Tree& lower = nullptr,
                             const ErofsIndexOptions& options = {},
                             const Context& context = {}) {
  Indexed made;
  made.tar = std::move(archive);
  const TempDir temp;
  const Fd index = open_at(temp.fd(), "index", O_RDWR | O_CREAT | O_EXCL, 0600);
  MemorySource source(std::string_view(made.tar).substr(options.data_offset, tar_bytes));
  const Fd temporary = open_dir_at(AT_FDCWD, temp.path());
  made.facts = write_erofs_index(source, lower, bytes_of_archive(made.tar, options.data_offset),
                                 index.get(), temporary, context, options);
  made.image = read_file_at(temp.fd(), "index", std::size_t{1} << 30);
  return made;
}

inline Indexed index_tar(std::string tar,
                         const Tree& lower = nullptr,
                         const ErofsIndexOptions& options = {},
                         const Context& context = {}) {
  const std::size_t size = tar.size();
  return index_archive(std::move(tar), size, lower, options, context);
}

inline Indexed index_layer(const LayerItems& items, const Tree& lower = nullptr) {
  return index_tar(tar_of(items), lower);
}

}  // namespace layerkit::testing
