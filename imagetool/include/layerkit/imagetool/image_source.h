#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "layerkit/base/byte_stream.h"
#include "layerkit/base/context.h"
#include "layerkit/imagetool/archive.h"
#include "layerkit/imagetool/image.h"
#include "layerkit/imagetool/image_store.h"
#include "layerkit/layerstore/layer_tree.h"

namespace layerkit {

/// The uncompressed tar of a layer as it lies in a file.
struct PlainLayerFile {
  std::shared_ptr<const Fd> file;
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
  bool is_verified = false;  ///< known to have the layer's diff ID
};

/// One image, wherever it lies: in the store, a docker-archive, an OCI archive or an OCI layout.
/// Looking at it mounts nothing, unpacks nothing and needs no privileges but to read it. Not
/// thread-safe; the trees are, and must not outlive it.
class ImageSource {
 public:
  ImageSource() = default;
  ImageSource(const ImageSource&) = delete;
  ImageSource& operator=(const ImageSource&) = delete;
  virtual ~ImageSource() = default;

  virtual const Image& image() const noexcept = 0;
  /// Whether it lies in the store.
  virtual bool is_stored() const noexcept { return false; }
  /// Sorted; may be empty.
  virtual const std::vector<ImageName>& names() const noexcept = 0;
  /// The uncompressed tar of a layer, base first. At its end it is known to have the layer's diff
  /// ID: Error{Integrity} otherwise.
  virtual std::unique_ptr<ByteSource> open_layer(std::size_t index) = 0;
  /// See ArchiveReader::packed_layer; what it gives keeps the archive open.
  virtual std::optional<PackedLayer> packed_layer(std::size_t /*index*/) { return std::nullopt; }
  /// Where a layer's tar lies. Of an archive: in it; what is compressed there is decompressed into
  /// a nameless file and verified. nullopt for images of the store.
  virtual std::optional<PlainLayerFile> plain_file(std::size_t /*index*/) { return std::nullopt; }
  /// Of an OCI layout.
  virtual std::optional<OciManifest> manifest() const { return std::nullopt; }
  /// What a layer is on top of those below it, with what it hides. The first call for a layer of an
  /// archive reads that layer and those below it.
  virtual std::shared_ptr<const LayerTree> layer_tree(std::size_t index) = 0;
  /// Whether the layer's tree was made of bytes that are known to have its diff ID.
  virtual bool is_verified(std::size_t /*index*/) const { return false; }
  /// What the lowest `count` layers show together; null for none.
  virtual std::shared_ptr<const LayerTree> view(std::size_t count) = 0;

  std::size_t layers() const noexcept { return image().diff_ids().size(); }
  /// What a mount of the image shows.
  std::shared_ptr<const LayerTree> tree();
};

/// What a user wrote to say which image is meant.
///
///     NAME | ID                          an image of the store
///     docker-archive:FILE[:NAME|@N]      what docker save writes; @N: the Nth image, from 0
///     oci-archive:FILE[:NAME|@N]         a tar of an OCI layout
///     oci:DIR[:NAME|@N]                  an OCI layout
///     FILE | DIR                         any of the three
///
/// A plain text is a path when it starts with '/', './' or '../', and when the store has no such
/// image but the path exists.
struct ImageReference {
  std::string transport;  ///< "docker-archive", "oci-archive", "oci"; empty for a plain text
  std::string text;       ///< the path; of a plain text all of it
  std::string name;       ///< which of an archive's images: a name, an ID or "@N"; may be empty

  /// Throws Error{Invalid} for an empty text, Error{Unsupported} for a transport of other tools.
  static ImageReference parse(std::string_view text);
};

struct ImageSourceOptions {
  std::optional<Platform> platform;  ///< of an image that exists for several
  LoadLimits limits;
};

/// Opens what the user meant. `store` is asked for the store when it is needed, and only then:
/// an archive can be looked at where no store can be opened. What has to be spooled goes to
/// nameless files in $TMPDIR, /var/tmp by default. Throws Error{NotFound} "No such image: …" or
/// what the archive holds instead, Error{Invalid} for an archive with several images when no name
/// says which. `context` must outlive the source.
std::unique_ptr<ImageSource> open_image_source(std::string_view reference,
                                               const std::function<ImageStore&()>& store,
                                               const Context& context,
                                               const ImageSourceOptions& options = {});

/// All images that the user meant: of an archive, when no name says which, each one that is for the
/// platform.
std::vector<std::unique_ptr<ImageSource>> open_image_sources(
    std::string_view reference,
    const std::function<ImageStore&()>& store,
    const Context& context,
    const ImageSourceOptions& options = {});

/// An image of the store; the store must outlive it.
std::unique_ptr<ImageSource> make_stored_image_source(ImageStore& store, ImageStore::Record record);

}  // namespace layerkit
