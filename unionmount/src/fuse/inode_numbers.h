#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "live_branch.h"

namespace layerkit {

/// st_ino of a union. An object has the number of its file on the branch, made unique by the place
/// of the branch's file system among the union's; a file that was copied up keeps the number that
/// it had. What was kept is written to a table on the writable branch, a record for each copy, so
/// that numbers stay over mounts. Thread-safe.
class InodeNumbers {
 public:
  InodeNumbers() = default;
  InodeNumbers(const InodeNumbers&) = delete;
  InodeNumbers& operator=(const InodeNumbers&) = delete;
  ~InodeNumbers();

  /// A number for the file system `device`; 0 for the first.
  std::uint32_t file_system(dev_t device);

  /// Reads the branch's table, and appends to it from now on. A table that is damaged counts as
  /// far as it is whole.
  void open_table(const LiveBranch& branch);
  void close_table(const LiveBranch& branch);

  /// What the union shows for `ino` of the branch.
  std::uint64_t number(const LiveBranch& branch, std::uint64_t ino) const;

  /// What the union remembers of a file that was copied up.
  struct Kept {
    std::uint64_t number = 0;
    std::uint32_t missing_links = 0;  ///< names that exist below only
    /// A copy that is about to get its name, which is among the missing ones until then.
    bool awaits_name = false;
  };
  /// So many names are missing when nobody knows how many, or a few less.
  static constexpr std::uint32_t kUnknownLinks = 0x7fffffff;
  static constexpr bool is_known(std::uint32_t missing_links) noexcept {
    return missing_links <= kUnknownLinks / 2;
  }
  std::optional<Kept> kept(const LiveBranch& branch, std::uint64_t ino) const;
  void keep(const LiveBranch& branch, std::uint64_t ino, Kept kept);
  void forget(const LiveBranch& branch, std::uint64_t ino);
  /// Has what was kept on the disk.
  void sync(const LiveBranch& branch);
  /// The files of the branch that awaited their name when the table was opened.
  std::vector<std::uint64_t> awaiting(const LiveBranch& branch) const;

 private:
  struct Table {
    Fd log;
    bool is_synced = true;
    std::unordered_map<std::uint64_t, Kept> files;
  };
  void append(Table& table, std::uint64_t ino, Kept kept) const;

  mutable std::mutex mutex_;
  std::vector<dev_t> file_systems_;
  std::unordered_map<int, Table> tables_;  ///< by the branch's id
};

/// What a table says, by inode number; `end` is where its whole records end.
std::unordered_map<std::uint64_t, InodeNumbers::Kept> read_inode_table(int table, off_t& end);

}  // namespace layerkit
