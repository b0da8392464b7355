#pragma once

#include <cstdint>
#include <string>

#include "layerkit/unionmount/owner_mapping.h"

namespace layerkit {

/// Which writable branch gets a new object (aufs(5), "Policies to Select One among Multiple
/// Writable Branches").
enum class CreateRule {
  TopDownParent,            ///< tdp: the highest at or above the parent's
  TopDownMostFree,          ///< tdmfs: the highest with free space above the mark, else mfs
  RoundRobin,               ///< rr
  MostFree,                 ///< mfs
  MostFreeRoundRobin,       ///< mfsrr: mfs, below the mark rr
  ParentMostFree,           ///< pmfs: mfs among the branches that hold the parent
  ParentMostFreeRoundRobin  ///< pmfsrr: pmfs, below the mark mfsrr
};

struct CreatePolicy {
  CreateRule rule = CreateRule::TopDownParent;
  std::uint64_t low_water_bytes = 0;  ///< the mark, where the rule has one
  unsigned refresh_seconds = 30;      ///< how long a measured free space counts; at most 3600

  bool operator==(const CreatePolicy&) const = default;
};

/// Which writable branch gets a copy of what lies on a read-only one.
enum class CopyUpRule {
  TopDownParent,   ///< tdp: as CreateRule::TopDownParent
  BottomUpParent,  ///< bup: the nearest at or above the source that holds the parent, else bu
  BottomUp,        ///< bu: the nearest above the source
};

/// What the union knows of changes that others make in its branches ("udba").
enum class Udba {
  None,        ///< nothing: names and attributes are cached as long as they fit
  Revalidate,  ///< every lookup asks the branches
  Notify,      ///< as None, and the kernel reports changes (inotify(7))
};

/// Options of a union with AUFS semantics; the defaults are AUFS's.
struct AufsSettings {
  CreatePolicy create = {};
  CopyUpRule copy_up = CopyUpRule::TopDownParent;
  Udba udba = Udba::Revalidate;
  bool pseudo_links = true;           ///< plink: hard links stay together over copy-up
  bool inode_table = true;            ///< xino: numbers of copied-up files are kept
  std::string inode_table_path = {};  ///< xino=PATH; empty: beside the branch's other private files
  bool always_opaque = false;         ///< diropq=a: every new directory is opaque
  bool sum_space = false;             ///< sum, wsum: statfs adds the branches up
  bool sum_writable_only = false;     ///< wsum
  bool show_whiteouts = false;        ///< shwh: whiteouts can be seen; the union is read-only
  bool top_permission_only = false;   ///< dirperm1: bits of lower directories do not count
  bool rename_directories = false;    ///< dirren: directories with lower parts can be renamed
  bool direct_io = true;              ///< dio: O_DIRECT is passed on
  bool acl = true;                    ///< acl: POSIX ACLs count
  bool warn_permissions = true;       ///< warn_perm: differing owners of branch roots are told
  bool verbose = false;
  unsigned inline_whiteout_limit = 3;   ///< dirwh: rmdir removes so many whiteouts at once
  unsigned readdir_cache_seconds = 10;  ///< rdcache
  unsigned readdir_block_bytes = 512;   ///< rdblk
  unsigned readdir_hash_size = 32;      ///< rdhash
  unsigned fhsm_seconds = 30;           ///< fhsm_sec
  // Of the FUSE union alone.
  bool xattrs = true;         ///< noxattrs: there are no extended attributes
  bool static_links = false;  ///< static_nlink: directories have a link count of 1
  /// With mapped owners a union has no ACLs: their users and groups are not mapped.
  OwnerMapping users = {};
  OwnerMapping groups = {};

  bool operator==(const AufsSettings&) const = default;
};

}  // namespace layerkit
