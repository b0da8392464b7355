#pragma once

#include <vector>

#include "layerkit/unionmount/mount_options.h"
#include "layerkit/unionmount/union_spec.h"

namespace layerkit {

/// Opens the directories. A branch without a permission gets the one of its place as in AUFS: the
/// first is rw unless the union is read-only, the others are ro; rr where the file system is one
/// that nobody can write to (squashfs, iso9660, cramfs, romfs, erofs). Errors name the branch.
std::vector<Branch> open_branches(const std::vector<BranchText>& texts, bool read_only);

/// Opens one. Symlinks are followed; Branch::path is the absolute path without them.
/// Throws Error{Invalid} for a writable branch whose file system is mounted read-only.
Branch open_branch(const BranchText& text, BranchAccess default_access);

/// Throws Error{Invalid} when a directory is a branch twice or lies in another branch, however it
/// was reached. What is mounted in a branch is not part of it, and may be another branch; where a
/// bind mount shows a part of another branch is not seen. Throws Error{Limit} beyond kMaxBranches.
void check_branches(const std::vector<Branch>& branches);

}  // namespace layerkit
