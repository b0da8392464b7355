#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "layerkit/base/byte_stream.h"
#include "layerkit/base/context.h"
#include "layerkit/base/fd.h"
#include "layerkit/imagetool/archive.h"
#include "layerkit/imagetool/image_source.h"
#include "layerkit/layerstore/layer_stream.h"

namespace layerkit {

/// A record of an image's history and the layer that it stands for.
struct ImageStep {
  nlohmann::json record;
  std::optional<LayerInput> layer;
};

/// Images made of other images' layers. Nothing is mounted or unpacked: layers that change are read
/// as streams and written to nameless files in $TMPDIR, /var/tmp by default; those that do not keep
/// their bytes. Sources must outlive what is made of them. All changes give a new image; its config
/// is the source's but for layers and history.
///
/// Layers are numbered from 0, base first.

/// An image as it stands, with its names.
SaveItem whole_image(const std::shared_ptr<ImageSource>& source);
/// What a mount of the image shows, as one layer without whiteouts. The layers are verified first.
std::unique_ptr<LayerReader> read_root_filesystem(const std::shared_ptr<ImageSource>& source,
                                                  const Context& context);

/// The steps of an image as it stands.
std::vector<ImageStep> steps_of(const std::shared_ptr<ImageSource>& source);
/// The image that these steps make; all but layers and history is `like`'s.
SaveItem make_image(const Image& like, std::vector<ImageStep> steps);

/// Writes a layer's tar to a temporary file. Deterministic: the same entries give the same bytes.
LayerInput make_layer(LayerReader& entries, const Context& context);

/// A layer from a tar, perhaps compressed, that is read to its end: its plain bytes are kept as
/// they are. `name` is what errors call it.
LayerInput read_layer(ByteSource& tar, const std::string& name, const Context& context);
/// A layer from a directory: what is in it, but not the directory itself; `.wh.` names hide as in a
/// tar.
LayerInput read_layer_directory(Fd directory,
                                const std::shared_ptr<const LayerTree>& lower,
                                const Context& context);

/// With one more layer on top. Throws Error{Invalid} that names the entry when it cannot be
/// applied.
SaveItem append_layer(const std::shared_ptr<ImageSource>& source,
                      LayerInput layer,
                      nlohmann::json record,
                      const Context& context);

/// What an image is to be whose root file system comes from a tar.
struct ImportRequest {
  Platform platform = Platform::host();
  std::string created;               ///< RFC 3339
  std::string comment;               ///< of the record of history
  std::vector<std::string> changes;  ///< as apply_image_changes takes them
};
/// An image of that one layer.
SaveItem import_image(LayerInput layer, const ImportRequest& request, const Context& context);

/// Makes the layers [begin, end) into one: what it shows on the layers below is what they show
/// together, hard links included. The records of the history stay; the last of those layers' stands
/// for the new one. Throws Error{Invalid} for an empty range.
SaveItem squash_layers(const std::shared_ptr<ImageSource>& source,
                       std::size_t begin,
                       std::size_t end,
                       const Context& context);

/// The image with one layer, which has what a mount shows and no whiteouts, and one record of
/// history.
SaveItem flatten_image(const std::shared_ptr<ImageSource>& source, const Context& context);

/// Without one layer and its record. What upper layers do is done to what is left, where a symlink
/// of that layer no longer leads them: Error{Invalid} that names the entry where that cannot be.
SaveItem drop_layer(const std::shared_ptr<ImageSource>& source,
                    std::size_t index,
                    const Context& context);

/// The layers that `source` has on top of those of `old_base`, on top of those of `new_base`, with
/// the config of `source`. Throws Error{Invalid} when `source` does not begin with all layers of
/// `old_base`, or when a base is for another system or architecture.
SaveItem rebase_image(const std::shared_ptr<ImageSource>& source,
                      const std::shared_ptr<ImageSource>& old_base,
                      const std::shared_ptr<ImageSource>& new_base,
                      const Context& context);

/// Without some paths and all below them: the layers that hold them, or hide something there, are
/// written anew without. A hard link to a removed name becomes the file. Throws Error{NotFound} for
/// a path that no layer has, Error{Invalid} when something else would change, or a layer would have
/// a removed path again: layers above went through a removed symlink.
SaveItem remove_paths(const std::shared_ptr<ImageSource>& source,
                      const std::vector<RelPath>& paths,
                      const Context& context);

}  // namespace layerkit
