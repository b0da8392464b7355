#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "layerkit/imagetool/image_store.h"

namespace layerkit {

/// One image found in an archive or layout.
struct ArchivedImage {
  Image image;
  std::vector<ImageName> names;     ///< may be empty
  std::vector<std::string> layers;  ///< opaque handles for open_layer, base first
};

/// An image source: docker-archive, OCI archive or OCI layout directory, detected by content.
/// Descriptors' sizes and digests are verified when a blob is read to its end. Not thread-safe.
class ArchiveReader {
 public:
  virtual ~ArchiveReader() = default;
  /// "docker-archive", "oci-archive" or "oci".
  virtual std::string_view format() const noexcept = 0;
  /// The images for `platform` (default: this machine's, or the only one there is).
  virtual std::vector<ArchivedImage> images(const std::optional<Platform>& platform) = 0;
  /// The layer's bytes as they lie in the archive, perhaps compressed. The source verifies size
  /// and digest at its end and must not outlive the reader.
  virtual std::unique_ptr<ByteSource> open_layer(const std::string& handle) = 0;
};

/// `input`: a file, "-" for standard input, or a directory. What cannot be read at random (a pipe,
/// a compressed file) is spooled to a nameless file on the store's file system.
std::unique_ptr<ArchiveReader> open_archive(const std::string& input,
                                            const Store& store,
                                            const Context& context);

struct LoadResult {
  ImageId image;
  std::vector<ImageName> names;
};
/// Imports every image of the archive, all or nothing; names are published last, in one step.
std::vector<LoadResult> load_images(ImageStore& store,
                                    ArchiveReader& archive,
                                    const std::optional<Platform>& platform,
                                    const Context& context);

enum class ArchiveFormat { DockerArchive, OciArchive, OciDirectory };

struct SaveItem {
  Image image;
  std::vector<ImageName> names;
};
/// Writes images as one archive to `output` ("-": standard output; OciDirectory: a directory that
/// is absent or empty). Layers are exported byte for byte and verified while written; a failure
/// leaves no file behind.
void save_images(ImageStore& store,
                 const std::vector<SaveItem>& items,
                 ArchiveFormat format,
                 const std::string& output,
                 const Context& context);

}  // namespace layerkit
