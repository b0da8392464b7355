#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "layerkit/base/fd.h"
#include "layerkit/base/file.h"
#include "layerkit/unionmount/union_spec.h"

namespace layerkit {

/// What a union keeps on a writable branch for itself: objects on their way in or out, files with
/// several names, the numbers of copied-up files. In AUFS's format these are `.wh..wh.*` names in
/// the branch's root, in overlay's they lie below the work directory. Locked against a second union
/// while it lives. Thread-safe.
class PrivateArea {
 public:
  /// Makes what is missing and removes what a crash left. Throws Error{Busy} when another union
  /// writes to the branch.
  static std::unique_ptr<PrivateArea> open_aufs(int branch_root,
                                                const BranchAttributes& attributes);
  static std::unique_ptr<PrivateArea> open_overlay(int work_dir);

  /// Where objects are prepared (`.wh..wh.orph`).
  int staging() const noexcept { return staging_.get(); }
  /// Where files with several names have one more (`.wh..wh.plnk`).
  int links() const noexcept { return links_.get(); }
  /// A name that is free in `staging`.
  std::string new_name();
  /// The directory and name of the table of inode numbers.
  int table_dir() const noexcept { return table_dir_.get(); }
  const std::string& table_name() const noexcept { return table_name_; }

  /// Puts a whiteout at a name that is free in `staging` or, for AUFS, anywhere: a link to one
  /// inode, as long as the file system allows. Throws Error with the errno.
  void make_whiteout(int dir, const std::string& name);

  PrivateArea(WhiteoutFormat format,
              Fd staging,
              Fd links,
              Fd table_dir,
              std::string table_name,
              FileLock lock,
              bool links_whiteouts);

 private:
  void make_whiteout_file(int dir, const std::string& name) const;
  bool link_whiteout(int dir, const std::string& name);

  WhiteoutFormat format_;
  Fd staging_;
  Fd links_;
  Fd table_dir_;
  std::string table_name_;
  FileLock lock_;
  bool links_whiteouts_;
  std::atomic<std::uint64_t> next_name_{0};
};

}  // namespace layerkit
