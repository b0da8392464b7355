#pragma once

#include <gtest/gtest.h>

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

/// How a test wants its union; the defaults suit most.
struct UnionSetup {
  bool read_only = false;
  /// False: all branches are read-only ones.
  bool has_upper = true;
  AufsSettings aufs = {};
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

  /// For tests whose trees the final comparison cannot walk, with the reason.
  void leave_out_final_check(const char* reason) { reason_for_no_check_ = reason; }

 private:
  UnionSpec make_spec() const;
  std::vector<std::string> branch_paths() const;
  void expect_untouched_lowers() const;
  void expect_upper_tells(const TreeDump& shown);

  std::optional<ScratchMount> memory_;
  std::optional<DiskImage> disk_;
  std::vector<BranchDir> branches_;
  std::vector<TreeDump> lowers_before_;
  std::string work_;
  std::string mount_point_;
  UnionSetup setup_;
  std::unique_ptr<Mounter> mounter_;
  bool mounted_ = false;
  const char* reason_for_no_check_ = nullptr;
};

/// Names the instances after backend and medium.
inline std::string case_name(const ::testing::TestParamInfo<UnionCase>& info) {
  return name_of(info.param);
}

}  // namespace layerkit::testing
