#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "layerkit/unionmount/aufs_settings.h"
#include "layerkit/unionmount/union_spec.h"

namespace layerkit {

/// A branch as it is written: PATH[=PERM[+ATTRIBUTE...]].
struct BranchText {
  std::string path;
  BranchAccess access = BranchAccess::ReadOnly;
  bool access_given = false;  ///< false: the default for its place holds
  BranchAttributes attributes;

  bool operator==(const BranchText&) const = default;
};

/// One step of a change of branches, in the order of the options.
struct InsertBranch {
  int index = 0;  ///< 0: the top ("prepend"); -1: the bottom ("append")
  BranchText branch;

  bool operator==(const InsertBranch&) const = default;
};
struct DeleteBranch {
  std::string path;

  bool operator==(const DeleteBranch&) const = default;
};
struct ModifyBranch {
  BranchText branch;

  bool operator==(const ModifyBranch&) const = default;
};
using BranchChange = std::variant<InsertBranch, DeleteBranch, ModifyBranch>;

/// What -o said. AUFS's form (br:, dirs=, ...) and overlay's (lowerdir=, upperdir=, workdir=) are
/// both read; one mount uses one of them.
struct MountOptions {
  std::vector<BranchText> branches;   ///< top first; overlay's form as well: upperdir is the first
  std::vector<BranchChange> changes;  ///< append, prepend, ins, add, del, mod
  std::string work;                   ///< workdir=
  std::vector<std::string> data_directories;        ///< overlay's form: datadir+=, or after "::"
  WhiteoutFormat whiteouts = WhiteoutFormat::Aufs;  ///< Overlay for overlay's form
  AufsSettings aufs;
  OverlaySettings overlay;
  bool remount = false;
  bool read_only = false;
  bool no_suid = false;
  bool no_dev = false;
  bool no_exec = false;
  bool no_atime = false;
  bool expendable_upper = false;  ///< volatile, fsync=0
  // Of the FUSE union alone:
  bool allow_other = false;
  bool allow_root = false;
  bool foreground = false;            ///< "foreground"; -f of the program
  std::string fs_name;                ///< fsname=
  std::string id;                     ///< si=: kept and shown
  std::vector<std::string> warnings;  ///< options and attributes that were ignored, one line each

  bool operator==(const MountOptions&) const = default;
};

/// Bounds of what is read; Error{Limit} beyond.
inline constexpr std::size_t kMaxMountOptionBytes = 1 << 20;
inline constexpr std::size_t kMaxBranches = 4096;

/// Reads an option string as mount(8) passes it: commas between options, colons between branches.
/// A backslash takes its meaning from ',', ':', '=' or another backslash; before anything else it
/// is itself. Options apply from left to right, to the settings in `current` (those of the union
/// that is remounted). Throws Error{Invalid} naming the option.
MountOptions parse_mount_options(std::string_view text, const AufsSettings& current = {});

/// Reads one branch. A backslash works as in an option string. Throws Error{Invalid}. Adds what it
/// ignored to `warnings`.
BranchText parse_branch(std::string_view text, std::vector<std::string>& warnings);

/// What a new mount with these changes in its options has for branches. Paths are compared as they
/// are written. Throws Error{Invalid} for an index beyond the end, Error{NotFound} for the change
/// of a branch that is none.
void apply_changes(std::vector<BranchText>& branches, const std::vector<BranchChange>& changes);

/// "rw", "ro+wh", ...: what stands behind "=" in a branch, as the kernel's sysfs shows it.
std::string format_permission(BranchAccess access, const BranchAttributes& attributes);

/// A branch as parse_branch reads it back, without a permission where none was given.
std::string format_branch(const BranchText& branch);

/// The settings that differ from the defaults, as options; empty when none does.
std::string format_settings(const AufsSettings& settings);

/// An option string that parse_mount_options reads back to the same value (warnings apart).
std::string format_mount_options(const MountOptions& options);

}  // namespace layerkit
