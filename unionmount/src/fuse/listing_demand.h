#pragma once

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <limits>
#include <mutex>
#include <string>
#include <string_view>

#include "merged_list.h"

namespace layerkit {

struct Node;

/// Foresees whether who lists a directory asks for the files' attributes next, as rm -r
/// or ls -l do, or is content with the names, as find -name is. With the list attributes cost much
/// less than by themselves, and without need much more than the list.
///
/// It learns from what follows. Who was given all attributes asks for none, so now and then those
/// of one file are withheld: when a reader goes on to another directory and nobody has looked that
/// file up, the others were not needed either. A reader is a thread, which is what the kernel
/// tells. Thread-safe; 64 readers are remembered.
class ListingDemand final {
 public:
  /// What is told of the files of one directory. Directories are always told of: whoever reads a
  /// tree opens them.
  struct Advice {
    static constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();
    bool files_have_attributes = true;
    std::size_t withheld = kNone;  ///< a place in the list

    bool has_attributes(const MergedList& list, std::size_t index) const noexcept;
  };

  /// The reader (0: unknown) reads the directory from the start.
  Advice begin(pid_t reader, const Node& directory, const MergedList& list);
  /// It reads on.
  Advice go_on(pid_t reader, const Node& directory);
  /// Somebody looked a name up: the reader, or another thread that works for it.
  void looked_up(const Node& directory, std::string_view name);

 private:
  struct Habit {
    pid_t reader = 0;
    Advice advice;
    bool wants_attributes = true;
    std::string withheld;      ///< the name of the file; empty: none, or it was looked up
    unsigned lookups = 0;      ///< in the directory, of files that were listed without attributes
    unsigned until_trial = 1;  ///< directories
    unsigned trial_pause = 1;  ///< directories; grows while attributes are wanted
  };

  std::size_t place_of(pid_t reader) noexcept;
  static void plan(Habit& habit, const MergedList& list);
  static void found_wanting(Habit& habit) noexcept;

  std::mutex mutex_;
  static constexpr std::size_t kReaders = 64;
  std::array<Habit, kReaders> habits_;
  std::array<const Node*, kReaders> directories_ = {};  ///< that each listed last; compared only
};

}  // namespace layerkit
