#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "layerkit/base/context.h"
#include "layerkit/base/entry.h"
#include "layerkit/imagetool/archive.h"
#include "layerkit/imagetool/image.h"
#include "layerkit/imagetool/image_source.h"

namespace layerkit {

// Several images made into one; as image_rewrite.h has it for one.

/// The layers of all images on top of each other, the first's lowest. Layers at an image's bottom
/// that it has in common with what is below are not repeated, nor are their records of history. All
/// but layers and history is `like`'s. Throws Error{Invalid} that names the entry when a layer
/// cannot be applied to what it stands on now. REQUIRES: there is an image.
SaveItem stack_images(const std::vector<std::shared_ptr<ImageSource>>& sources,
                      const Image& like,
                      const Context& context);

/// A path that several images have, not all of them the same.
struct TreeConflict {
  /// What one of the images has there.
  struct Version {
    std::size_t image = 0;  ///< its place among the images
    Entry entry;
  };

  RelPath path;
  /// In what they differ from the first of them: the words of PathVersion::changes.
  std::vector<std::string> differences;
  std::vector<Version> versions;  ///< in the order of the images
  std::size_t taken = 0;          ///< the image whose object is taken
};

/// Which image gives what several of them have and not all the same.
enum class OnConflict { Fail, First, Last };

/// The files of all images together: the layers of the first, and one more on them for what the
/// others add or change. All but layers and history is `like`'s. Directories are merged; of them
/// times are no conflict. Whatever a directory would be merged with that is none is a conflict,
/// too; where no directory is taken nothing below counts. `report`, which may be empty, is told of
/// each conflict, sorted by path, before anything is made; OnConflict::Fail then throws
/// Error{Exists}. REQUIRES: there is an image.
SaveItem merge_trees(const std::vector<std::shared_ptr<ImageSource>>& sources,
                     const Image& like,
                     OnConflict on_conflict,
                     const std::function<void(const TreeConflict& conflict)>& report,
                     const Context& context);

}  // namespace layerkit
