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

/// Foresees whether a process that lists a directory asks for the files' attributes next, as rm -r
/// or ls -l do, or is content with the names, as find -name is. With the list attributes cost much
/// less than by themselves, and without need much more than the list.
///
/// It learns from what a process does. Who was given all attributes asks for none, so now and then
/// those of one file are withheld: a process that goes on to another directory without having
/// looked that file up did not need the others either. Thread-safe; 64 processes are remembered.
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

  /// `process` (0: unknown) reads the directory from the start.
  Advice begin(pid_t process, const Node& directory, const MergedList& list);
  /// It reads on, or reads it again.
  Advice go_on(pid_t process, const Node& directory);
  void looked_up(pid_t process, const Node& directory, std::string_view name);

 private:
  struct Habit {
    pid_t process = -1;
    const Node* directory = nullptr;  ///< the last that was listed; compared only
    Advice advice;
    bool wants_attributes = true;
    std::string withheld;      ///< the name of the file; empty: none, or it was looked up
    unsigned lookups = 0;      ///< in `directory`, of files that were listed without attributes
    unsigned until_trial = 1;  ///< directories
    unsigned trial_pause = 1;  ///< directories; grows while attributes are wanted
  };

  Habit& habit_of(pid_t process) noexcept;
  static void plan(Habit& habit, const MergedList& list);
  static void found_wanting(Habit& habit) noexcept;

  std::mutex mutex_;
  std::array<Habit, 64> habits_;
};

}  // namespace layerkit
