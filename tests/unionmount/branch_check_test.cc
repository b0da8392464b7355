#include "layerkit/unionmount/branch_check.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "expect_error.h"
#include "layerkit/base/file.h"
#include "temp_dir.h"
#include "union_fixture.h"

namespace layerkit {
namespace {

using testing::expect_error;
using testing::put;

class BranchCheckTest : public ::testing::Test {
 protected:
  BranchCheckReport check(BranchCheckMode mode = BranchCheckMode::Look) const {
    return check_branch(open_dir_at(AT_FDCWD, dir_.path()), mode, Context());
  }
  /// "kind path" of each, sorted; "!" where it cannot be mended.
  static std::vector<std::string> texts(const std::vector<BranchFinding>& findings) {
    std::vector<std::string> list;
    for (const BranchFinding& finding : findings)
      list.push_back(finding.kind + (finding.can_mend ? " " : "! ") + finding.path);
    std::ranges::sort(list);
    return list;
  }
  std::vector<std::string> found() const { return texts(check().findings); }
  std::string path(const std::string& below) const { return dir_.path(below); }
  void make(const std::string& below) const { make_dirs(path(below), 0755); }
  bool exists(const std::string& below) const { return stat_at(AT_FDCWD, path(below)).has_value(); }
  std::uint64_t ino(const std::string& below) const { return stat_at(AT_FDCWD, path(below))->ino; }

  testing::TempDir dir_;
};

using List = std::vector<std::string>;

TEST_F(BranchCheckTest, WhatUnionsLeaveOnPurposeIsNoFinding) {
  for (const char* name : {".wh..wh.plnk", ".wh..wh.orph", "d"})
    make(name);
  for (const char* name :
       {".wh..wh.aufs", ".wh..wh.xino", ".wh.gone", "d/.wh..wh..opq", "d/.wh.x", "d/y", "d/wh.y"})
    put(path(name), "");
  EXPECT_EQ(found(), List{});
  EXPECT_TRUE(check().is_complete);
}

TEST_F(BranchCheckTest, OfANameAndItsWhiteoutTheWhiteoutGoes) {
  make("a/b");
  put(path("a/b/f"), "data");
  put(path("a/b/.wh.f"), "");
  put(path("a/.wh.b"), "");
  EXPECT_EQ(found(), (List{"both a/.wh.b", "both a/b/.wh.f"}));
  EXPECT_TRUE(exists("a/.wh.b"));
  const BranchCheckReport report = check(BranchCheckMode::Repair);
  EXPECT_EQ(texts(report.mended), (List{"both a/.wh.b", "both a/b/.wh.f"}));
  EXPECT_TRUE(report.findings.empty());
  EXPECT_EQ(testing::contents_of(AT_FDCWD, path("a/b/f")), "data");
  EXPECT_FALSE(exists("a/.wh.b"));
  EXPECT_EQ(found(), List{});
}

TEST_F(BranchCheckTest, WhiteoutsThatCannotBeOnesAreKeptWhenTheyHoldAnything) {
  put(path(".wh."), "");
  put(path(".wh..."), "data");
  make(".wh.directory/below");
  put(path(".wh..wh.unknown"), "data");
  make("d");
  put(path("d/.wh..wh.aufs"), "");
  EXPECT_EQ(found(),
            (List{"bad-whiteout .wh.", "bad-whiteout! .wh...", "bad-whiteout! .wh.directory",
                  "stray d/.wh..wh.aufs", "stray! .wh..wh.unknown"}));
  const BranchCheckReport report = check(BranchCheckMode::Repair);
  EXPECT_EQ(report.findings.size(), 3U);
  EXPECT_FALSE(exists(".wh."));
  EXPECT_TRUE(exists(".wh...") && exists(".wh.directory/below") && exists(".wh..wh.unknown"));
}

TEST_F(BranchCheckTest, ObjectsUnderWayAreLeftovers) {
  make(".wh..wh.orph/1f/below");
  put(path(".wh..wh.orph/20"), "half a file");
  make("d/.wh..wh.old.0a9f/sub");
  put(path("d/.wh..wh.new.12"), "");  // not what a temporary name looks like
  EXPECT_EQ(found(), (List{"leftover .wh..wh.orph/1f", "leftover .wh..wh.orph/20",
                           "leftover d/.wh..wh.old.0a9f", "stray d/.wh..wh.new.12"}));
  EXPECT_TRUE(check(BranchCheckMode::Repair).findings.empty());
  EXPECT_TRUE(exists(".wh..wh.orph"));
  EXPECT_FALSE(exists(".wh..wh.orph/1f") || exists("d/.wh..wh.old.0a9f"));
}

TEST_F(BranchCheckTest, PseudoLinksAreLostWithoutNames) {
  make(".wh..wh.plnk");
  put(path(".wh..wh.xino"), "");
  put(path("file"), "x");
  const std::string good = fmt::format(".wh..wh.plnk/7.{}", ino("file"));
  ASSERT_EQ(::link(path("file").c_str(), path(good).c_str()), 0);
  put(path("alone"), "y");
  const std::string lost = fmt::format(".wh..wh.plnk/8.{}", ino("alone"));
  rename_at(AT_FDCWD, path("alone"), AT_FDCWD, path(lost));
  put(path(".wh..wh.plnk/9.1"), "z");
  EXPECT_EQ(found(), (List{"lost-link " + lost, "lost-link! .wh..wh.plnk/9.1"}));
  check(BranchCheckMode::Repair);
  EXPECT_TRUE(exists(good));
  EXPECT_FALSE(exists(lost));
}

TEST_F(BranchCheckTest, WithoutATableOfNumbersNoPseudoLinkIsRemoved) {
  make(".wh..wh.plnk");
  put(path("alone"), "y");
  const std::string link = fmt::format(".wh..wh.plnk/8.{}", ino("alone"));
  rename_at(AT_FDCWD, path("alone"), AT_FDCWD, path(link));
  EXPECT_EQ(found(), (List{"lost-link! " + link}));
  check(BranchCheckMode::Repair);
  EXPECT_TRUE(exists(link));
}

TEST_F(BranchCheckTest, ABranchInUseIsNotRepaired) {
  make(".wh..wh.orph/1");
  const auto lock =
      FileLock::try_lock(open_dir_at(AT_FDCWD, path(".wh..wh.orph")), LockKind::Exclusive);
  ASSERT_TRUE(lock);
  EXPECT_FALSE(check().is_complete);
  EXPECT_EQ(found(), List{});
  expect_error(Errc::Busy, "a union that is mounted writes to the branch",
               [&] { check(BranchCheckMode::Repair); });
  EXPECT_TRUE(exists(".wh..wh.orph/1"));
}

TEST_F(BranchCheckTest, DepthAndLinksDoNotMatter) {
  // Deeper than PATH_MAX allows for a path, and than descriptors are kept for.
  const std::string name(100, 'n');
  Fd at = open_dir_at(AT_FDCWD, dir_.path());
  for (int depth = 0; depth < 150; ++depth) {
    make_dir_at(at.get(), name, 0755);
    at = open_dir_at(at.get(), name);
  }
  write_file_at(at.get(), "f", "", 0644);
  write_file_at(at.get(), ".wh.f", "", 0644);
  make("other");
  put(path("other/.wh.f"), "");
  make_symlink_at("..", AT_FDCWD, path("other/f"));
  make_symlink_at("/", AT_FDCWD, path("root"));
  const auto list = found();
  ASSERT_EQ(list.size(), 2U);
  EXPECT_TRUE(
      std::ranges::any_of(list, [](const std::string& text) { return text.size() > 15000; }));
  EXPECT_EQ(check(BranchCheckMode::Repair).mended.size(), 2U);
  EXPECT_EQ(found(), List{});
}

TEST_F(BranchCheckTest, CanBeInterrupted) {
  const std::atomic<bool> interrupted = true;
  Context context;
  context.interrupted = &interrupted;
  EXPECT_THROW(check_branch(open_dir_at(AT_FDCWD, dir_.path()), BranchCheckMode::Look, context),
               Error);
}

}  // namespace
}  // namespace layerkit
