#include <gtest/gtest.h>

#include "expect_error.h"
#include "forwarding_tree.h"
#include "layer_stack.h"

namespace layerkit::testing {
namespace {

using Paths = std::vector<std::string>;

class OverlayDiffWhiteoutTest : public PrivateMountsTest {
 protected:
  LayerStack stack_;
};

TEST_F(OverlayDiffWhiteoutTest, WhiteoutHidesALowerFileAndItsNeighbourStays) {
  stack_.apply({dir("d"), file("d/gone", "1"), file("d/stays", "2")});
  stack_.apply({whiteout("d/gone")});
  EXPECT_EQ(stack_.diff().at("d/gone"), "whiteout");
  EXPECT_EQ(paths_of(stack_.shown()), (Paths{"d", "d/stays"}));
}

TEST_F(OverlayDiffWhiteoutTest, WhiteoutKeepsTheAttributesOfTheDirectoryItIsIn) {
  stack_.apply({dir("d").mode(0700).owner(5, 6).mtime(77, 8).xattr("user.k", "v"), file("d/x")});
  const TreeDump before = stack_.shown();
  stack_.apply({whiteout("d/x")});
  EXPECT_EQ(stack_.shown().at("d"), before.at("d"));
}

TEST_F(OverlayDiffWhiteoutTest, WhiteoutThenNewDirectoryReplacesTheLowerOne) {
  stack_.apply({dir("d"), file("d/old")});
  stack_.apply({whiteout("d"), dir("d"), file("d/new")});
  EXPECT_TRUE(stack_.diff().at("d").ends_with(" opaque"));
  EXPECT_EQ(paths_of(stack_.shown()), (Paths{"d", "d/new"}));
}

TEST_F(OverlayDiffWhiteoutTest, NewDirectoryThenWhiteoutReplacesTheLowerOneToo) {
  stack_.apply({dir("d"), file("d/old"), dir("d/sub"), file("d/sub/old")});
  stack_.apply({dir("d"), dir("d/sub"), file("d/sub/new"), file("d/new"), whiteout("d")});
  EXPECT_EQ(paths_of(stack_.shown()), (Paths{"d", "d/new", "d/sub", "d/sub/new"}));
  EXPECT_FALSE(stack_.diff().at("d/sub").ends_with(" opaque"));
}

TEST_F(OverlayDiffWhiteoutTest, WhiteoutNeverHidesAFileOfItsOwnLayer) {
  stack_.apply({file("x", "old"), file("y", "old")});
  stack_.apply({file("x", "new"), whiteout("x"), whiteout("y"), file("y", "new")});
  const TreeDump shown = stack_.shown();
  EXPECT_TRUE(shown.at("x").ends_with("'new'"));
  EXPECT_TRUE(shown.at("y").ends_with("'new'"));
}

TEST_F(OverlayDiffWhiteoutTest, ImpliedParentBelowALateWhiteoutForgetsTheLowerAttributes) {
  stack_.apply({dir("d").mode(0700).owner(9, 9), file("d/old")});
  stack_.apply({file("d/new"), whiteout("d")});
  const TreeDump late = stack_.shown();
  LayerStack early;
  early.apply({dir("d").mode(0700).owner(9, 9), file("d/old")});
  early.apply({whiteout("d"), file("d/new")});
  expect_same_tree(late, early.shown(), "order of a whiteout");
  EXPECT_EQ(late.at("d"), "dir 0755 0:0 0.000000000");
}

TEST_F(OverlayDiffWhiteoutTest, WhiteoutInsideAWhitedOutDirectoryDoesNothing) {
  stack_.apply({dir("d"), file("d/old")});
  stack_.apply({whiteout("d"), whiteout("d/old")});
  EXPECT_EQ(paths_of(stack_.diff()), Paths{"d"});
  EXPECT_EQ(paths_of(stack_.shown()), Paths{});
  stack_.apply({dir("e")});
  EXPECT_EQ(paths_of(stack_.shown()), Paths{"e"});
}

TEST_F(OverlayDiffWhiteoutTest, WhiteoutOfADirectoryAfterOneInsideItLeavesOnlyTheOuter) {
  stack_.apply({dir("d"), file("d/old"), file("d/other")});
  stack_.apply({whiteout("d/old"), whiteout("d")});
  EXPECT_EQ(stack_.diff().at("d"), "whiteout");
  EXPECT_EQ(paths_of(stack_.shown()), Paths{});
}

TEST_F(OverlayDiffWhiteoutTest, WhiteoutOfAnAbsentNameLeavesNoGhost) {
  stack_.apply({dir("d"), file("f")});
  stack_.apply({whiteout("none"), whiteout("d/none"), whiteout("no/such/dir"), whiteout("f/x")});
  EXPECT_EQ(paths_of(stack_.diff()), Paths{});
  EXPECT_EQ(paths_of(stack_.shown()), (Paths{"d", "f"}));
}

TEST_F(OverlayDiffWhiteoutTest, WhiteoutInABaseLayerLeavesNothing) {
  stack_.apply({whiteout("x"), dir("d"), opaque("d"), opaque(""), whiteout("d/x")});
  EXPECT_EQ(paths_of(stack_.diff()), Paths{"d"});
  EXPECT_EQ(paths_of(stack_.shown()), Paths{"d"});
}

TEST_F(OverlayDiffWhiteoutTest, NoWhiteoutStandsInAnOpaqueDirectoryWhateverTheOrder) {
  stack_.apply({dir("d"), file("d/a"), file("d/b"), dir("d/s"), file("d/s/c")});
  stack_.apply({whiteout("d/a"), whiteout("d/s/c"), dir("d/s"), opaque("d"), whiteout("d/b")});
  EXPECT_EQ(paths_of(stack_.diff()), (Paths{"d", "d/s"}));
  EXPECT_EQ(paths_of(stack_.shown()), (Paths{"d", "d/s"}));
}

TEST_F(OverlayDiffWhiteoutTest, WhiteoutUnderAnEarlierWhiteoutOfALowerLayerLeavesNoGhost) {
  stack_.apply({dir("d"), file("d/a")});
  stack_.apply({whiteout("d/a")});
  stack_.apply({whiteout("d/a")});
  EXPECT_EQ(paths_of(stack_.diff()), Paths{});
  EXPECT_EQ(paths_of(stack_.shown()), Paths{"d"});
}

TEST_F(OverlayDiffWhiteoutTest, OpaqueMarkerHidesLowerChildrenBeforeAndAfterNewOnes) {
  stack_.apply({dir("d"), file("d/old"), dir("d/s"), file("d/s/old")});
  stack_.apply({dir("d"), file("d/before"), file("d/s/implied"), opaque("d"), file("d/after")});
  EXPECT_EQ(paths_of(stack_.shown()), (Paths{"d", "d/after", "d/before", "d/s", "d/s/implied"}));
}

TEST_F(OverlayDiffWhiteoutTest, OpaqueMarkerAloneKeepsTheLowerDirectorysAttributes) {
  stack_.apply({dir("d").mode(0710).owner(1, 2).mtime(1234, 5).xattr("user.a", "b"), file("d/x")});
  const std::string before = stack_.shown().at("d");
  stack_.apply({opaque("d")});
  const TreeDump shown = stack_.shown();
  EXPECT_EQ(shown.at("d"), before);
  EXPECT_EQ(paths_of(shown), Paths{"d"});
}

TEST_F(OverlayDiffWhiteoutTest, OpaqueDirectoryMissingBelowIsAPlainDirectory) {
  stack_.apply({file("f"), dir("gone")});
  stack_.apply({dir("d"), opaque("d"), opaque("e/f"), whiteout("gone"), opaque("gone")});
  EXPECT_FALSE(stack_.diff().at("d").ends_with("opaque"));
  EXPECT_EQ(paths_of(stack_.shown()), (Paths{"d", "e", "e/f", "f", "gone"}));
}

TEST_F(OverlayDiffWhiteoutTest, MarkerFieldsAreNeverApplied) {
  stack_.apply({dir("d").mode(0711), file("d/x")});
  stack_.apply({dir("d").mode(0701).owner(3, 4), opaque("d")});
  EXPECT_EQ(stack_.shown().at("d"), "dir 0701 3:4 1600000000.123456789");
  EXPECT_TRUE(stack_.warnings().empty());
}

TEST_F(OverlayDiffWhiteoutTest, OpaqueRootHidesEverythingBelow) {
  stack_.apply({dir("d"), file("d/x"), file("y")});
  stack_.apply({whiteout("y"), file("d/new"), opaque(""), whiteout("d/x"), file("z")});
  EXPECT_EQ(paths_of(stack_.diff()), (Paths{"d", "d/new", "z"}));
  EXPECT_EQ(paths_of(stack_.shown()), (Paths{"d", "d/new", "z"}));
}

TEST_F(OverlayDiffWhiteoutTest, OpaqueRootKeepsTheRootsOwnAttributes) {
  stack_.apply({dir("").mode(0711).owner(7, 7), file("x")});
  const std::string before = stack_.shown().at("");
  stack_.apply({opaque(""), file("y")});
  EXPECT_EQ(stack_.shown().at(""), before);
}

TEST_F(OverlayDiffWhiteoutTest, WhiteoutThroughASymlinkedParentHidesWhereTheLinkPoints) {
  stack_.apply({dir("usr"), dir("usr/lib"), file("usr/lib/old"), symlink("lib", "usr/lib")});
  stack_.apply({whiteout("lib/old")});
  EXPECT_EQ(paths_of(stack_.shown()), (Paths{"lib", "usr", "usr/lib"}));
  stack_.apply({opaque("lib"), file("lib/new")});
  EXPECT_EQ(paths_of(stack_.shown()), (Paths{"lib", "usr", "usr/lib", "usr/lib/new"}));
}

TEST_F(OverlayDiffWhiteoutTest, LowerContentStaysHiddenAfterADirectoryWasAFileForAWhile) {
  stack_.apply({dir("d"), file("d/old")});
  stack_.apply({file("d", "file"), dir("d"), file("d/new")});
  EXPECT_EQ(paths_of(stack_.shown()), (Paths{"d", "d/new"}));
}

TEST_F(OverlayDiffWhiteoutTest, RefusesAWhiteoutOfTheRoot) {
  expect_error(Errc::Invalid, "it can only be a directory",
               [this] { stack_.apply({whiteout("")}); });
}

/// Counts what it was asked: lookups, and names that its listings gave.
class CountingTree final : public ForwardingTree {
 public:
  using ForwardingTree::ForwardingTree;
  std::optional<Entry> lookup(const RelPath& path) const override {
    ++answers_;
    return ForwardingTree::lookup(path);
  }
  std::vector<std::string> list(const RelPath& path) const override {
    std::vector<std::string> names = ForwardingTree::list(path);
    answers_ += names.size();
    return names;
  }
  std::size_t answers() const { return answers_; }

 private:
  mutable std::size_t answers_ = 0;
};

TEST_F(OverlayDiffWhiteoutTest, MarkersAskTheLayersBelowNoMoreThanOnceForEachName) {
  constexpr std::size_t kFiles = 1000;
  LayerItems base{dir("d")};
  LayerItems markers;
  for (std::size_t i = 0; i < kFiles; ++i) {
    base.push_back(file(fmt::format("d/{}", i)));
    markers.push_back(file(fmt::format("d/s{}/x", i)));
    markers.push_back(opaque("d"));
    markers.push_back(whiteout(fmt::format("d/{}", i)));
  }
  stack_.apply(base);
  const Context context;
  for (const DiffFormat format : {DiffFormat::overlay(), DiffFormat::aufs()}) {
    const TempDir temp;
    const auto below = std::make_shared<CountingTree>(stack_.view());
    const auto writer = make_diff_writer(open_dir_at(temp.fd(), "."), below, context, format, {});
    VectorLayerReader reader(markers);
    copy_layer(reader, *writer, context);
    EXPECT_LE(below->answers(), 10 * kFiles);
  }
}

TEST_F(OverlayDiffWhiteoutTest, HundredThousandMarkersOnOneFullDirectoryAreQuick) {
  LayerItems base{dir("d")};
  for (int i = 0; i < 2000; ++i)
    base.push_back(file(fmt::format("d/{}", i)));
  stack_.apply(base);
  LayerItems markers;
  for (int i = 0; i < 2000; ++i)
    markers.push_back(file(fmt::format("d/s{}/x", i)));
  for (int i = 0; i < 100'000; ++i)
    markers.push_back(opaque("d"));
  stack_.apply(markers);
  EXPECT_EQ(stack_.diff().size(), 4002U);
}

}  // namespace
}  // namespace layerkit::testing
