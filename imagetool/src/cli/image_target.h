#pragma once

#include <CLI/CLI.hpp>
#include <optional>
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

/// Declares --compress.
void add_compress_option(CLI::App& command, std::string& compress);
/// What it says; nullopt for an empty text: the default of the archive.
std::optional<Compression> parse_compress(const std::string& text);
/// Declares -t,--tag (required) and --compress.
void add_image_target(CLI::App& command, ImageTarget& target);

/// Declares an option that takes one value and may be repeated.
CLI::Option* add_repeated_option(CLI::App& command,
                                 const char* names,
                                 std::vector<std::string>& values,
                                 const char* help);
/// Declares -c,--change, which may be repeated.
void add_change_option(CLI::App& command, std::vector<std::string>& changes);

/// The time of a new image, RFC 3339: $SOURCE_DATE_EPOCH where it is set, else now.
std::string creation_time();

/// Where a new image goes, found to make sense before any work is done.
class ImageDestination final {
 public:
  /// Throws Error{Invalid} for a name that is none. An empty one: the store, without a name.
  explicit ImageDestination(const ImageTarget& target);

  /// Stores or writes the image and prints its ID, unless the archive goes to standard output.
  void put(Session& session, SaveItem item, const Context& context) const;

 private:
  std::string archive_;  ///< empty: the image goes into the store
  SaveOptions options_;
  std::vector<ImageName> names_;
};

}  // namespace layerkit::cli
