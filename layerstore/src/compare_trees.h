#pragma once

#include <functional>
#include <string>

#include "layerkit/base/context.h"
#include "layerkit/base/rel_path.h"
#include "layerkit/layerstore/diff_format.h"

namespace layerkit {

/// How an object of a diff directory differs from what it should be.
enum class Difference {
  Missing,   ///< it should be there
  Extra,     ///< it should not be there; of a directory all below is meant
  Changed,   ///< it is another kind of object, or has other attributes
  Contents,  ///< a regular file with other contents
};

using OnDifference =
    std::function<void(Difference what, const RelPath& path, const std::string& detail)>;

/// Marks a file of the expected tree as one whose size and contents count, too: of all others
/// only the attributes do.
void mark_contents(int dir_fd, const std::string& name);

/// Compares two diff directories of one format object by object: kinds, attributes, xattrs as they
/// are stored, and which names are the same file. Of whiteouts, and of the opaque marks that are
/// files, only that they are some. Memory: the names of one directory, the directories still to be
/// looked at, and files that have several names.
void compare_diff_trees(int expected_fd,
                        int actual_fd,
                        const OnDifference& report,
                        DiffFormat format,
                        const Context& context);

/// True when `size` bytes from `offset` of the file are zeros or a hole.
bool is_zero_range(int fd, std::uint64_t offset, std::uint64_t size);

}  // namespace layerkit
