#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "layerkit/unionmount/mounter.h"

namespace layerkit::testing {

/// What union backends do differently, each rightly so. docs/UNION.md lists the same fields with
/// the reasons; whatever has no field here is expected of all of them.
struct UnionTraits {
  /// The names of a lower file with several stay one file when it is copied up.
  bool links_survive_copy_up = true;
  /// A descriptor that was opened for reading before the copy-up reads what was written after it,
  /// also that of a file of 256 KiB or more.
  bool large_reader_sees_copy_up = true;
  /// So does a shared mapping of a small file.
  bool mapping_sees_copy_up = true;
  /// The link count of a merged directory is two and its subdirectories; else it says nothing.
  bool counts_subdirectories = true;
  /// fstat of an open lower file counts the names that are left when one is removed.
  bool counts_links_of_unlinked_lower = true;
  /// A lower file that was opened for reading and lost its name can be given another mode.
  bool changes_nameless_lower = true;
  /// One st_dev, and numbers that outlast copy-up, also where branches lie on several file systems.
  bool one_device_over_file_systems = true;
  /// Mounting the same branches again gives every file the number it had.
  bool numbers_outlast_mounts = true;
  /// A union without a writable branch is a read-only mount to those who ask beforehand
  /// (access(2), statvfs(3)), as it cannot become writable.
  bool read_only_when_no_branch_is_writable = true;
  /// A lower directory's own mode is checked beside the topmost's (AUFS without dirperm1).
  bool every_directory_is_checked = false;
  /// A directory of the same name below a file is merged all the same (AUFS); else the file ends
  /// the directory.
  bool passes_over_other_types = false;
  /// A whiteout in a directory that only one branch has is not listed (though never found), and
  /// does not keep the directory from being removed.
  bool ignores_stray_whiteouts = true;
  /// Names that begin with ".wh." are refused with EPERM.
  bool reserves_whiteout_names = false;
  /// A character device 0:0 cannot be made, as it would be a whiteout.
  bool reserves_whiteout_devices = false;
  /// fallocate(2) collapses and inserts ranges where the branch can.
  bool shifts_ranges = true;
  /// The longest name that can be made, in bytes, and what statfs says of it.
  unsigned name_max = 255;
};

/// A union that was mounted, not yet attached.
struct StartedUnion {
  DetachedMount mount;
  Fd server = {};       ///< where a process serves it: end of file when that has ended
  std::string id = {};  ///< names its control directory
};

/// A way to mount a union that the suite knows.
struct Backend {
  std::string name = {};
  StartedUnion (*start)(const UnionSpec& spec) = nullptr;
  /// How the upper branch is written, and how whiteouts in lower branches are.
  WhiteoutFormat upper_whiteouts = WhiteoutFormat::Overlay;
  WhiteoutFormat lower_whiteouts = WhiteoutFormat::Overlay;
  /// Differs from one before it by the whiteouts of its lower branches alone, and is tried with
  /// what has to do with them.
  bool is_variant = false;
  /// Several writable branches, policies and so on: the AUFS part of the suite applies.
  bool is_aufs = false;
  UnionTraits traits = {};
  /// Why it cannot be tried on this machine; empty when it can.
  std::string problem = {};
};

/// The first argument that makes the test program serve a union; the process ID of the tests
/// follows.
inline constexpr const char* kServeArgument = "serve-union";

/// All of them, also those that this machine lacks.
const std::vector<Backend>& all_backends();

/// Where the branches lie.
enum class Medium {
  Memory,  ///< one tmpfs
  Disk,    ///< one ext4, on a loop device
  Mixed,   ///< the upper on a tmpfs, the lowers on an ext4
};

/// What a test is run on.
struct UnionCase {
  const Backend* backend;
  Medium medium;
};

std::string name_of(const UnionCase& run);
/// Shown by GoogleTest beside a test's name.
// NOLINTNEXTLINE(readability-identifier-naming): GoogleTest looks for it
inline void PrintTo(const UnionCase& run, std::ostream* out) {
  *out << name_of(run);
}

/// Every backend of this machine, on each of the media.
std::vector<UnionCase> union_cases(const std::vector<Medium>& media = {Medium::Memory});
/// And the variants.
std::vector<UnionCase> whiteout_cases(const std::vector<Medium>& media = {Medium::Memory});
/// Of union_cases the ones with AUFS semantics.
std::vector<UnionCase> aufs_cases(const std::vector<Medium>& media = {Medium::Memory});

}  // namespace layerkit::testing
