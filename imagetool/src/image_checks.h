#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "layerkit/imagetool/container_store.h"
#include "layerkit/imagetool/image.h"
#include "layerkit/layerstore/examination.h"

namespace layerkit {

// The parts of check_store that are about more than layers. Each reports to an Examination, which
// mends what it may.

/// What the records of a store say, as far as they can be read.
struct ImageSurvey {
  std::map<ImageId, Image> images;
  std::vector<ContainerInfo> containers;   ///< that have a whole record
  std::vector<std::string> container_ids;  ///< of all records, damaged ones and those going away
  std::set<ImageId> lost_images;  ///< configs that are damaged, or absent although they are needed
  std::set<ImageId> mounted_images;
  std::set<std::string> live_containers;  ///< by ID: running or mounted
  bool is_whole = true;  ///< false: something that cannot be read may need any layer

  StoreReferences references(StoreReferences::Known known) const;
};

void examine_images(Examination& examination, const StoreGround& ground, ImageSurvey& survey);
void examine_containers(Examination& examination, const StoreGround& ground, ImageSurvey& survey);
void examine_mounts(Examination& examination, const StoreGround& ground, ImageSurvey& survey);
/// All of them.
ImageSurvey examine_records(Examination& examination, int root);

/// Temporary files that a writer left which died: replace_file_at names them so. REQUIRES: nobody
/// writes into the directory.
void examine_temporaries(Examination& examination, const FrameDir& directory);

/// The exclusive lock on a file, unless somebody holds it or it cannot be one.
std::optional<FileLock> try_lock_file(int dir_fd, const std::string& name);

/// 64 hexadecimal digits.
bool is_object_id(std::string_view name);

}  // namespace layerkit
