#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "cli/session.h"
#include "layerkit/imagetool/archive.h"

namespace layerkit::cli {

/// For footers of commands that make an image.
extern const char* const kImageTargetHelp;

/// Where a new image goes: what -t and --compress say.
struct ImageTarget {
  std::string destination;
  std::string compress;
};

/// Declares -t,--tag (required) and --compress.
void add_image_target(CLI::App& command, ImageTarget& target);

/// Where a new image goes, found to make sense before any work is done.
class ImageDestination final {
 public:
  /// Throws Error{Invalid} for a name that is none.
  explicit ImageDestination(const ImageTarget& target);

  /// Stores or writes the image and prints its ID.
  void put(Session& session, SaveItem item, const Context& context) const;

 private:
  std::string archive_;  ///< empty: the image goes into the store
  SaveOptions options_;
  std::vector<ImageName> names_;
};

}  // namespace layerkit::cli
