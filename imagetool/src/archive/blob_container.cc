#include "archive/blob_container.h"

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"

namespace layerkit {

StoredFile open_existing(const BlobContainer& container, const RelPath& path) {
  auto file = container.open(path);
  if (!file) fail(Errc::NotFound, "the archive has no {}", quoted(path.str()));
  return std::move(*file);
}

std::unique_ptr<ByteSource> open_file_at(const BlobContainer& container,
                                         const RelPath& path,
                                         std::uint64_t offset) {
  StoredFile file = open_existing(container, path);
  if (file.bytes->skip(offset) != offset) {
    fail(Errc::Integrity, "reading {}: it ends before byte {}", quoted(path.str()), offset);
  }
  return std::move(file.bytes);
}

std::string read_document(const StoredFile& file,
                          const std::string& name,
                          const LoadLimits& limits) {
  if (file.size > limits.json_bytes) {
    fail(Errc::Limit, "reading {}: it is larger than {} bytes (the limit max-json-size)",
         quoted(name), limits.json_bytes);
  }
  return read_all(*file.bytes, limits.json_bytes, name);
}

std::optional<std::string> read_document(const BlobContainer& container,
                                         const RelPath& path,
                                         const LoadLimits& limits) {
  const auto file = container.open(path);
  if (!file) return std::nullopt;
  return read_document(*file, path.str(), limits);
}

}  // namespace layerkit
