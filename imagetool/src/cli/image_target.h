#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <set>
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
  int level = 0;
};

/// Declares --compress.
void add_compress_option(CLI::App& command, std::string& compress);
/// What it says; nullopt for an empty text: the default of the archive.
std::optional<Compression> parse_compress(const std::string& text);
/// Declares --level.
void add_level_option(CLI::App& command, int& level);
/// Throws Error{Invalid} for a level that goes with no compression.
void check_level(int level, std::optional<Compression> compression);

/// Declares --have.
void add_have_option(CLI::App& command, std::vector<std::string>& have);
/// The layers of the images that it names.
std::set<ChainId> layers_of(Session& session,
                            const std::vector<std::string>& have,
                            const Context& context);

/// Declares -t,--tag (required) and --compress.
void add_image_target(CLI::App& command, ImageTarget& target);

/// Declares -c,--change, which may be repeated.
void add_change_option(CLI::App& command, std::vector<std::string>& changes);

/// The time of a new image, RFC 3339: $SOURCE_DATE_EPOCH where it is set, else now.
std::string creation_time();

/// Where a new image goes, found to make sense before any work is done.
class ImageDestination final {
 public:
  /// Throws Error{Invalid} for a name that is none. An empty one: the store, without a name.
  explicit ImageDestination(const ImageTarget& target);

  const std::string& archive() const noexcept { return archive_; }
  const SaveOptions& options() const noexcept { return options_; }
  const std::vector<ImageName>& names() const noexcept { return names_; }
  void leave_out(std::set<ChainId> layers) { options_.left_out = std::move(layers); }

  /// Stores or writes images with the names that they have and prints their IDs likewise.
  void put_all(Session& session, const std::vector<SaveItem>& items, const Context& context) const;
  /// Stores or writes the image and prints its ID, unless the archive goes to standard output.
  void put(Session& session, SaveItem item, const Context& context) const;

  /// Whether the archive goes there.
  bool is_standard_output() const noexcept { return archive_ == "-"; }

 private:
  std::string archive_;  ///< empty: the image goes into the store
  SaveOptions options_;
  std::vector<ImageName> names_;
};

}  // namespace layerkit::cli
