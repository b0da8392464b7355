#include "archive/blob_container.h"

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"

namespace layerkit {

StoredFile open_existing(const BlobContainer& container, const RelPath& path) {
  auto file = container.open(path);
  if (!file) fail(Errc::NotFound, "the archive has no {}", quoted(path.str()));
  return std::move(*file);
}

std::optional<std::string> read_text(const BlobContainer& container,
                                     const RelPath& path,
                                     std::size_t max_bytes) {
  const auto file = container.open(path);
  if (!file) return std::nullopt;
  return read_all(*file->bytes, max_bytes, path.str());
}

}  // namespace layerkit
