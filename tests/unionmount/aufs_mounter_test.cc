#include <gtest/gtest.h>

#include <string>

#include "layerkit/unionmount/mounter.h"
#include "private_mounts.h"
#include "union_fixture.h"

namespace layerkit {
namespace {

using testing::contents_of;
using testing::make_branch;
using testing::put;
using testing::ScratchMount;

class AufsMounterRootTest : public testing::PrivateMountsTest {
 protected:
  void SetUp() override {
    testing::PrivateMountsTest::SetUp();
    if (!IsSkipped() && !kernel_has_aufs()) GTEST_SKIP() << "this kernel has no aufs";
  }
};

/// A writable branch over layers that replace and delete files of the lowest.
TEST_F(AufsMounterRootTest, MountsMoreBranchesThanOneCallTakes) {
  const ScratchMount scratch;
  UnionSpec spec;
  spec.whiteouts = WhiteoutFormat::Aufs;
  spec.branches.push_back(make_branch(scratch.path("top"), BranchAccess::ReadWrite));
  constexpr int kLayers = 100;
  for (int i = 0; i < kLayers; ++i) {
    const std::string path = scratch.path("layer" + std::to_string(i));
    spec.branches.push_back(make_branch(path));
    spec.branches.back().attributes.whiteouts = true;
    put(path + "/same", std::to_string(i));
    put(path + "/only" + std::to_string(i), "x");
  }
  put(scratch.path("layer0/.wh.only" + std::to_string(kLayers - 1)), "");
  const DetachedMount mount = make_aufs_mounter()->mount(spec);
  EXPECT_EQ(contents_of(mount.fd(), "same"), "0");
  EXPECT_TRUE(stat_at(mount.fd(), "only" + std::to_string(kLayers - 2)));
  EXPECT_FALSE(stat_at(mount.fd(), "only" + std::to_string(kLayers - 1)));
  write_file_at(mount.fd(), "new", "y", 0644);
  EXPECT_EQ(contents_of(spec.branches[0].directory.get(), "new"), "y");
}

}  // namespace
}  // namespace layerkit
