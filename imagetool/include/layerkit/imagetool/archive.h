#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "layerkit/imagetool/image_store.h"
#include "layerkit/layerstore/compression.h"

namespace layerkit {

/// An OCI image manifest, byte for byte.
struct OciManifest {
  std::string media_type;
  std::string text;
};

/// One image found in an archive or layout.
struct ArchivedImage {
  Image image;
  std::vector<ImageName> names;     ///< may be empty
  std::vector<std::string> layers;  ///< opaque handles for open_layer, base first; one per diff ID
  std::optional<OciManifest> manifest = {};  ///< of an OCI layout
};

/// A layer's blob as it lies in an OCI layout.
struct PackedLayer {
  BlobId digest;
  std::uint64_t size = 0;
  Compression compression = Compression::None;
  /// Verifies the digest at its end.
  std::function<std::unique_ptr<ByteSource>()> open;
};

/// A layer as it lies in an archive.
struct ArchivedLayer {
  std::unique_ptr<ByteSource> bytes;    ///< perhaps compressed
  std::uint64_t size = 0;               ///< how many bytes those are
  std::optional<Compression> declared;  ///< what the archive's documents say about them
  std::shared_ptr<const Fd> file = {};  ///< what they are in, in one piece; may be null
  std::uint64_t offset = 0;             ///< where in it
};

/// An image source: docker-archive, OCI archive or OCI layout directory, detected by content.
/// Descriptors' sizes and digests are verified when a blob is read to its end. Not thread-safe.
class ArchiveReader {
 public:
  ArchiveReader() = default;
  ArchiveReader(const ArchiveReader&) = delete;
  ArchiveReader& operator=(const ArchiveReader&) = delete;
  virtual ~ArchiveReader() = default;

  /// What the user called it: a path, or "standard input".
  virtual const std::string& name() const noexcept = 0;
  /// "docker-archive", "oci-archive" or "oci".
  virtual std::string_view format() const noexcept = 0;
  /// The images for `platform` (default: this machine's, or the only one there is); never empty.
  virtual std::vector<ArchivedImage> images(const std::optional<Platform>& platform) = 0;
  /// The source verifies size and digest at its end and must not outlive the reader. Throws
  /// Error{NotFound} that names the file when the archive lacks it.
  virtual ArchivedLayer open_layer(const std::string& handle) = 0;
  /// What another layout may have as it is; nullopt in a docker-archive, for layers that may be
  /// absent, and for those that are.
  virtual std::optional<PackedLayer> packed_layer(const std::string& /*handle*/) {
    return std::nullopt;
  }
  /// The layer's bytes as they lie in the archive, from `offset` on; nothing verifies them.
  virtual std::unique_ptr<ByteSource> open_layer_at(const std::string& handle,
                                                    std::uint64_t offset) = 0;
};

/// Makes a file without a name (O_TMPFILE), for spooling.
using MakeTemporaryFile = std::function<Fd()>;

/// Bounds on what an archive may ask of us, apart from those of the store it is loaded into. One
/// that is hit is Error{Limit} and named in it.
struct LoadLimits {
  DecompressionLimits decompression;  ///< of the archive and of each layer
  /// Of each JSON document. More than the default is not read again from a store.
  std::uint64_t json_bytes = std::uint64_t{4} << 20;
  unsigned index_nesting = 8;  ///< of OCI indexes in each other
  /// Plain bytes of an archive that must be spooled.
  std::uint64_t archive_bytes = std::uint64_t{512} << 30;
};

/// `input`: a file, "-" for standard input, or a directory. What cannot be read at random (a pipe,
/// a compressed file) is spooled to a temporary file. Throws Error{Invalid} "'x' is not an image
/// archive: …". See docs/formats/archives.md. `context` must outlive the reader.
std::unique_ptr<ArchiveReader> open_archive(const std::string& input,
                                            const MakeTemporaryFile& make_temporary_file,
                                            const Context& context,
                                            const LoadLimits& limits = {});
/// The same with temporary files of `store`.
inline std::unique_ptr<ArchiveReader> open_archive(const std::string& input,
                                                   const Store& store,
                                                   const Context& context,
                                                   const LoadLimits& limits = {}) {
  return open_archive(
      input, [&store] { return store.temporary_file(); }, context, limits);
}

struct LoadResult {
  ImageId image;
  std::vector<ImageName> names;
  /// Those of `names` that pointed at another image before, with that image.
  std::map<ImageName, ImageId> moved;
};
/// Imports every image of the archive, all or nothing; names are published last, in one step.
std::vector<LoadResult> load_images(ImageStore& store,
                                    ArchiveReader& archive,
                                    const std::optional<Platform>& platform,
                                    const Context& context,
                                    const LoadLimits& limits = {});

enum class ArchiveFormat { DockerArchive, OciArchive, OciDirectory };

/// A layer that goes into an image: its uncompressed tar, which can be read again and again.
struct LayerInput {
  DiffId diff_id;
  std::optional<std::uint64_t> size;  ///< of the tar, where it is known without reading it
  /// Verifies the diff ID at its end.
  std::function<std::unique_ptr<ByteSource>()> open;
  /// Kept in the OCI formats, unless a compression is asked for.
  std::optional<PackedLayer> packed = {};
  /// Whoever gets the archive has it.
  bool is_left_out = false;
};

/// An image that is written or stored.
struct SaveItem {
  Image image;
  std::vector<ImageName> names;
  /// One for each diff ID of the image, base first. None: they are in the store.
  std::vector<LayerInput> layers = {};
  /// Of these very layers; kept, and with it the image's digest, where all of them keep their
  /// bytes.
  std::optional<OciManifest> manifest = {};
};

/// The layers of an image of the store, which must outlive them.
std::vector<LayerInput> stored_layers(const Store& store, const Image& image);

struct SaveOptions {
  ArchiveFormat format = ArchiveFormat::DockerArchive;
  /// None, Gzip or Zstd. Unset: None in a docker-archive, Gzip in the OCI formats.
  std::optional<Compression> layer_compression;
  int compression_level = 0;  ///< as make_compressing_sink takes it
  /// Layers that are not written: whoever gets the archive has them.
  std::set<ChainId> left_out = {};
};

/// Writes images as one archive to `output` ("-": standard output; OciDirectory: a directory that
/// is absent or empty). Layers are exported byte for byte and verified while written; a failure
/// leaves no file behind. The same images give the same bytes.
void save_images(ImageStore& store,
                 const std::vector<SaveItem>& items,
                 const SaveOptions& options,
                 const std::string& output,
                 const Context& context);
/// The same without a store. REQUIRES: all items have their layers.
void save_images(const std::vector<SaveItem>& items,
                 const SaveOptions& options,
                 const std::string& output,
                 const MakeTemporaryFile& make_temporary_file,
                 const Context& context);
/// Copies entries of an OCI layout (a directory, or a tar of one) with the images for all platforms
/// and whatever else belongs to them, byte for byte. `wanted`: a name or "@N"; empty: all. `name`:
/// what the one entry is called from now on. Returns the digests of the entries.
std::vector<BlobId> copy_whole_images(const std::string& input,
                                      const std::string& wanted,
                                      const std::optional<ImageName>& name,
                                      ArchiveFormat format,
                                      const std::string& output,
                                      const MakeTemporaryFile& make_temporary_file,
                                      const Context& context);
/// Stores images, all or nothing, as load_images does. REQUIRES: all items have their layers.
std::vector<LoadResult> store_images(ImageStore& store,
                                     const std::vector<SaveItem>& items,
                                     const Context& context);

}  // namespace layerkit
