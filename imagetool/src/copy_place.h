#pragma once

#include <optional>
#include <string>

#include "layerkit/base/fd.h"
#include "layerkit/base/root_dir.h"

namespace layerkit {

/// A path as the user wrote it, in the tree of a container or of the host.
struct CopyPath {
  RelPath path;                ///< "." and ".." are gone, by the text alone
  bool is_directory = false;   ///< it ends in '/' or is "." or "..": nothing else may be meant
  bool means_content = false;  ///< it ends in "/.": what is in the directory
};
CopyPath parse_copy_path(const std::string& text);

/// What is to be copied.
struct CopySource {
  Fd object;  ///< O_PATH
  RelPath name;
  bool is_directory = false;
  bool means_content = false;
};
/// Throws Error{NotFound} "Could not find the file ..." with `whose` behind it.
CopySource find_copy_source(const RootDir& root,
                            const std::string& text,
                            bool follows_link,
                            const std::string& whose);

/// Where it goes.
struct CopyTarget {
  RelPath directory;            ///< is there
  std::optional<RelPath> name;  ///< the object's new name in it; unset: it keeps its own
};
/// By docker's rules. Throws Error{NotFound} or Error{Invalid} where they have no place for it.
CopyTarget find_copy_target(const RootDir& root, const std::string& text, bool from_directory);

}  // namespace layerkit
