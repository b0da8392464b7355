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

/// A tar, or an archive with one in it, and the index of its layer in memory.
struct Indexed {
  std::shared_ptr<const std::string> archive;
  std::string image;
  Tree layer;
  ErofsIndexFacts facts;

  const std::string& tar() const { return *archive; }
  ErofsReader reader() const { return {image, *archive}; }
};

/// Of the tar that stands at `tar_at`; where it says that it does is `options.data_offset`.
inline Indexed index_archive(std::string bytes,
                             std::size_t tar_at,
                             std::size_t tar_bytes,
                             const Tree& lower = nullptr,
                             const ErofsIndexOptions& options = {}) {
  const auto archive = std::make_shared<const std::string>(std::move(bytes));
  const TempDir temp;
  const Fd index = open_at(temp.fd(), "index", O_RDWR | O_CREAT | O_EXCL, 0600);
  MemorySource source(std::string_view(*archive).substr(tar_at, tar_bytes));
  ErofsIndexed made = write_erofs_index(
      source, lower,
      [archive, tar_at](std::uint64_t offset, std::uint64_t length) {
        return std::make_unique<MemorySource>(
            std::string_view(*archive).substr(tar_at + offset, length));
      },
      index.get(), std::make_shared<const Fd>(open_dir_at(AT_FDCWD, "/tmp")), Context(), options);
  return {archive, read_file_at(temp.fd(), "index", std::size_t{1} << 30), std::move(made.layer),
          made.facts};
}

inline Indexed index_tar(std::string tar,
                         const Tree& lower = nullptr,
                         const ErofsIndexOptions& options = {}) {
  const std::size_t size = tar.size();
  return index_archive(std::move(tar), 0, size, lower, options);
}

inline Indexed index_layer(const LayerItems& items, const Tree& lower = nullptr) {
  return index_tar(tar_of(items), lower);
}

}  // namespace layerkit::testing
