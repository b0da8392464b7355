#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "branch_dir.h"
#include "private_mounts.h"
#include "tree_dump.h"
#include "union_backend.h"
#include "union_files.h"

namespace layerkit::testing {

struct BranchSetup {
  BranchAccess access = BranchAccess::ReadOnly;
  BranchAttributes attributes = {};
};

/// What a lower branch that holds whiteouts of AUFS has to be.
inline constexpr BranchSetup kReadOnlyWithWhiteouts{.access = BranchAccess::ReadOnly,
                                                    .attributes = {.whiteouts = true}};
inline constexpr BranchSetup kWritable{.access = BranchAccess::ReadWrite};

/// How a test wants its union; the defaults suit most.
struct UnionSetup {
  bool read_only = false;
  /// False: all branches are read-only ones.
  bool has_upper = true;
  AufsSettings aufs = {};
  /// The top first; where it says nothing, the upper is writable and the others are read-only and
  /// may hold whiteouts.
  std::vector<BranchSetup> branches = {};
};

/// A union of three branches, `upper` over `middle` over `base`, that a test fills before it
/// mounts them. In the end of every test the fixture unmounts and checks what all unions owe:
/// the lower branches are as they were, and the upper one holds, for everybody who reads its
/// format, what the union showed.
class UnionTest : public PrivateMountsTest, public ::testing::WithParamInterface<UnionCase> {
 protected:
  void SetUp() override;
  void TearDown() override;

  const Backend& backend() const { return *GetParam().backend; }
  const UnionTraits& traits() const { return backend().traits; }
  BranchDir& upper() { return branches_[0]; }
  BranchDir& middle() { return branches_[1]; }
  BranchDir& base() { return branches_[2]; }
  /// One more below the others; before the mount.
  BranchDir& add_lower();

  void mount(const UnionSetup& setup = {});
  void unmount();
  /// The same branches again: what was only in a cache is gone.
  void remount();
  /// A path in the union.
  std::string at(const std::string& path) const { return mount_point_ + "/" + path; }
  const std::string& root() const { return mount_point_; }

  /// What names the union's control directory; empty where there is none.
  const std::string& id() const { return id_; }

  /// For tests after which others read the branches differently, with the reason.
  void expect_own_view_only(const char* reason) { reason_for_own_view_ = reason; }
  /// For tests whose trees the final comparison cannot walk, with the reason.
  void leave_out_final_check(const char* reason) { reason_for_no_check_ = reason; }

 private:
  UnionSpec make_spec() const;
  BranchSetup setup_of(std::size_t index) const;
  std::vector<std::string> branch_paths() const;
  void attach(StartedUnion started);
  void wait_for_server();
  void expect_untouched_lowers() const;
  void expect_upper_tells(const TreeDump& shown);

  std::optional<ScratchMount> memory_;
  std::optional<DiskImage> disk_;
  std::deque<BranchDir> branches_;  ///< references to them stay valid
  std::vector<TreeDump> lowers_before_;
  std::string work_;
  std::string mount_point_;
  UnionSetup setup_;
  Fd server_;
  std::string id_;
  bool mounted_ = false;
  const char* reason_for_no_check_ = nullptr;
  const char* reason_for_own_view_ = nullptr;
};

/// Names the instances after backend and medium.
inline std::string case_name(const ::testing::TestParamInfo<UnionCase>& info) {
  return name_of(info.param);
}

}  // namespace layerkit::testing
