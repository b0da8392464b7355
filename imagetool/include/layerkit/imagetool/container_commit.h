#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "layerkit/imagetool/container_store.h"

namespace layerkit {

/// Whether a container's processes stand still while its files are read.
enum class PauseWhileRead { Yes, No };

struct CommitRequest {
  std::optional<ImageName> name;  ///< unset: the image gets no name
  std::string message;
  std::string author;
  std::vector<std::string> changes;  ///< Dockerfile instructions: image_changes.h
  /// The image's creation time, and the latest time of a file in its layer, in seconds
  /// (SOURCE_DATE_EPOCH); unset: the present, and times as they are.
  std::optional<std::int64_t> source_date_epoch;
  /// What becomes of unchanged copy-ups and of names that no layer can hold.
  DiffReaderOptions layer;
  PauseWhileRead pause = PauseWhileRead::Yes;  ///< of a running container
};

/// Makes an image of a container: the image it was made from, one layer with what changed since
/// (neither the init layer nor any volume), and the container's config. The other layers are the
/// same, byte for byte. Throws when a file changes while it is read, and Error{Unsupported} when a
/// running container cannot be paused. All or nothing.
ImageId commit_container(ContainerStore& store,
                         const ContainerInfo& container,
                         const CommitRequest& request,
                         const Context& context);

/// The value of SOURCE_DATE_EPOCH; nullopt when `text` is null or empty. Throws Error{Invalid}
/// unless it is a decimal number of seconds.
std::optional<std::int64_t> parse_source_date_epoch(const char* text);

}  // namespace layerkit
