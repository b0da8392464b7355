#pragma once

#include <cstdint>
#include <map>
#include <utility>

#include "layerkit/base/entry.h"
#include "layerkit/base/file.h"
#include "overlay_redirect.h"

namespace layerkit {

/// Finds the names of one file among the objects of an upper directory. Keeps a file in memory as
/// long as names of it are to come. Not thread-safe.
class UpperLinks {
 public:
  /// Turns the second and later names of a file into hard links to the first.
  void resolve(Entry& entry, const FileStat& stat, const OverlayNotes& notes);
  /// To be called at the end. Throws Error{Unsupported} when a file has names that are not in the
  /// upper directory, but show it all the same.
  void check_complete() const;

 private:
  struct Names {
    RelPath first;
    std::uint64_t seen = 0;
    std::uint64_t wanted = 0;  ///< 0: unknown
  };
  using InodeKey = std::pair<std::uint64_t, std::uint64_t>;

  std::map<InodeKey, Names> files_;
};

}  // namespace layerkit
