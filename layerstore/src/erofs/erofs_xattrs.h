#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory_resource>
#include <string>
#include <string_view>

#include "erofs/erofs_output.h"
#include "layerkit/layerstore/diff_format.h"

namespace layerkit {

/// What of an inode becomes xattrs.
struct ErofsXattrSet {
  std::string_view packed;  ///< as encode_xattrs has them: with the names that a mount shows
  bool opaque = false;      ///< and overlayfs's mark that the lower directory does not show
  bool access_acl = true;   ///< false: without that one
  bool default_acl = true;
};

inline constexpr std::string_view kAccessAcl = "system.posix_acl_access";
inline constexpr std::string_view kDefaultAcl = "system.posix_acl_default";

/// The xattrs of an index: what more than one inode has stands there once. First every inode is
/// counted, then every inode is encoded, as often as one likes: what is shared gets its place as it
/// comes. Not thread-safe.
class ErofsXattrs {
 public:
  /// `format`, one of overlay's, says how names are escaped. `memory` is where it keeps what it
  /// remembers.
  ErofsXattrs(DiffFormat format, std::pmr::memory_resource* memory)
      : format_(format), seen_(memory), shared_(memory) {}

  void count(const ErofsXattrSet& xattrs);
  /// What stands behind the inode; valid until the next call. Throws Error{Unsupported} for a name
  /// that EROFS cannot hold, Error{Limit} for too long a name or value or too many of them.
  std::string_view encode(const ErofsXattrSet& xattrs);

  /// The area of those that are shared, when all inodes were encoded.
  std::uint64_t shared_bytes() const noexcept { return shared_bytes_; }
  void write_shared(ErofsOutput& to) const;

 private:
  static constexpr std::uint32_t kNowhere = 0xffff'ffff;
  struct Seen {
    bool again = false;
    std::uint32_t place = kNowhere;  ///< in the shared area, in units of four bytes
  };

  template <typename Use>
  void for_each(const ErofsXattrSet& xattrs, const Use& use);
  void encode_one(std::string_view stored_name, std::string_view value);
  std::uint32_t place_of(const std::pmr::string& xattr, Seen& seen);

  DiffFormat format_;
  std::pmr::map<std::pmr::string, Seen, std::less<>> seen_;  ///< by what stands on disk
  std::pmr::deque<const std::pmr::string*> shared_;
  std::uint64_t shared_bytes_ = 0;
  std::string one_;   ///< the one that is being looked at, as it stands on disk
  std::string area_;  ///< of the inode
  std::string own_;   ///< the part of it that is not shared
};

}  // namespace layerkit
