#pragma once

#include <map>
#include <set>
#include <vector>

#include "image_checks.h"
#include "layerkit/imagetool/archive.h"
#include "layerkit/layerstore/store_check.h"

namespace layerkit {

/// The quick part of check_store. REQUIRES: the caller holds a lock on the store that lasts.
std::vector<Finding> check_records(const StoreInspection& inspection,
                                   int root,
                                   StoreReferences::Known known,
                                   const Context& context);

/// What an archive is asked for.
struct LostObjects {
  std::set<ChainId> layers;  ///< damaged, or absent although they are needed
  std::set<ImageId> images;  ///< configs
};

/// Takes from the archive what it has of the lost objects: layers base first, each durable before
/// the next, then configs whose layers are all there. What fails is told as a warning.
/// `known` are images that tell which DiffIDs the lost layers have.
void restore_from_archive(ImageStore& store,
                          StoreInspection& inspection,
                          ArchiveReader& archive,
                          const std::vector<Image>& known,
                          const LostObjects& lost,
                          const Context& context);

}  // namespace layerkit
