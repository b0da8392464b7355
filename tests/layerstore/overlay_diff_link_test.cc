#include <gtest/gtest.h>

#include "expect_error.h"
#include "layer_stack.h"

namespace layerkit::testing {
namespace {

using Paths = std::vector<std::string>;

class OverlayDiffLinkTest : public PrivateMountsTest {
 protected:
  /// Applies a base and then a layer that must be refused.
  void expect_refused(const std::string& reason, const LayerItems& base, const LayerItems& items) {
    stack_.apply(base);
    expect_error(Errc::Invalid, reason, [&] { stack_.apply(items); });
  }
  LayerStack stack_;
};

TEST_F(OverlayDiffLinkTest, LinkWithinTheLayerIsOneFile) {
  stack_.apply({dir("d"), file("d/a", "data"), link("b", "d/a")});
  const TreeDump shown = stack_.shown();
  EXPECT_EQ(shown.at("d/a"), shown.at("b") + " same file as b");
}

TEST_F(OverlayDiffLinkTest, LinkToALowerFileCopiesItUpWithAllItsAttributes) {
  const std::string big(300'000, 'x');
  stack_.apply({dir("d").mode(0700).mtime(5),
                file("d/a", big).mode(04755).owner(7, 8).mtime(9, 10).xattr("user.k", "v")});
  const TreeDump before = stack_.shown();
  stack_.apply(
      {link("b", "d/a").mode(04755).owner(7, 8).mtime(9, 10).xattr("user.k", "v"), dir("e")});
  const TreeDump shown = stack_.shown();
  EXPECT_EQ(shown.at("b"), before.at("d/a"));
  EXPECT_EQ(shown.at("d/a"), before.at("d/a") + " same file as b");
  EXPECT_EQ(shown.at("d"), before.at("d"));
}

TEST_F(OverlayDiffLinkTest, OtherNamesOfACopiedUpFileKeepTheLowerOne) {
  stack_.apply({file("a", "data"), link("other", "a")});
  stack_.apply({link("b", "a").mode(0600)});
  const TreeDump shown = stack_.shown();
  EXPECT_TRUE(shown.at("other").starts_with("file 0644"));
  EXPECT_TRUE(shown.at("a").starts_with("file 0600"));
  EXPECT_EQ(shown.at("b"), shown.at("a") + " same file as a");
}

TEST_F(OverlayDiffLinkTest, EveryKindOfLowerObjectCanBeLinked) {
  stack_.apply({symlink("l", "x"), fifo("p"), device(FileType::BlockDevice, "b", 7, 1)});
  stack_.apply({link("l2", "l"), link("p2", "p").mode(0600), link("b2", "b").mode(0660)});
  const TreeDump shown = stack_.shown();
  for (const std::string name : {"l", "p", "b"}) {
    EXPECT_EQ(shown.at(name + "2"), shown.at(name) + " same file as " + name);
  }
}

TEST_F(OverlayDiffLinkTest, LinkToASymlinkLinksTheSymlinkAndLeavesItsTargetAlone) {
  stack_.apply({file("secret").mode(0600), symlink("l", "secret"), link("m", "l").mode(0777)});
  const TreeDump shown = stack_.shown();
  EXPECT_EQ(shown.at("m"), shown.at("l") + " same file as l");
  EXPECT_TRUE(shown.at("secret").starts_with("file 0600"));
}

TEST_F(OverlayDiffLinkTest, LastHeadersAttributesCount) {
  stack_.apply({file("a", "data").mode(0600).xattr("user.k", "old").xattr("user.only", "1"),
                link("b", "a").mode(04711).owner(4, 5).mtime(6, 7).xattr("user.k", "new")});
  EXPECT_EQ(stack_.shown().at("a"), "file 4711 4:5 6.000000007 'data' user.k='new' user.only='1'");
}

TEST_F(OverlayDiffLinkTest, LinkThatChangesTheOwnerKeepsTheCapability) {
  const std::string capability("\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
  stack_.apply({file("a").xattr("security.capability", capability), link("b", "a").owner(4, 5)});
  const auto found = stack_.view()->lookup(RelPath::parse("a"));
  EXPECT_EQ(found->uid, 4U);
  EXPECT_EQ(found->xattrs.at("security.capability"), capability);
}

TEST_F(OverlayDiffLinkTest, TargetIsFoundThroughSymlinkedParentsInsideTheRoot) {
  stack_.apply({dir("usr"), file("usr/a", "data"), symlink("l", "/../usr")});
  stack_.apply({link("b", "l/a")});
  EXPECT_EQ(stack_.shown().at("usr/a"), stack_.shown().at("b") + " same file as b");
}

TEST_F(OverlayDiffLinkTest, LinkReplacesWhatWasThere) {
  stack_.apply({file("a", "data"), dir("d"), file("d/x")});
  stack_.apply({file("b", "old"), link("b", "a"), link("b", "a"), link("d", "a")});
  const TreeDump shown = stack_.shown();
  EXPECT_EQ(paths_of(shown), (Paths{"a", "b", "d"}));
  EXPECT_EQ(shown.at("d"), shown.at("a") + " same file as a");
}

TEST_F(OverlayDiffLinkTest, LateWhiteoutOfACopiedUpTargetRemovesOnlyThatName) {
  stack_.apply({dir("d"), file("d/a", "data"), file("d/z")});
  stack_.apply({link("b", "d/a"), whiteout("d/a")});
  EXPECT_EQ(stack_.diff().at("d/a"), "whiteout");
  EXPECT_EQ(paths_of(stack_.shown()), (Paths{"b", "d", "d/z"}));
}

TEST_F(OverlayDiffLinkTest, LateWhiteoutAboveACopiedUpTargetRemovesItToo) {
  stack_.apply({dir("d"), dir("d/e"), file("d/e/a", "data")});
  stack_.apply({link("b", "d/e/a"), whiteout("d")});
  EXPECT_EQ(stack_.diff().at("d"), "whiteout");
  EXPECT_TRUE(stack_.shown().at("b").ends_with("'data'"));
  EXPECT_EQ(paths_of(stack_.shown()), Paths{"b"});
  stack_.apply({dir("o"), file("o/a")});
  stack_.apply({link("c", "o/a"), opaque("o")});
  EXPECT_EQ(paths_of(stack_.shown()), (Paths{"b", "c", "o"}));
}

TEST_F(OverlayDiffLinkTest, CopiedUpFileAsAParentIsALowerFile) {
  stack_.apply({file("a", "data")});
  stack_.apply({link("b", "a"), file("a/x")});
  EXPECT_EQ(paths_of(stack_.shown()), (Paths{"a", "a/x", "b"}));
}

TEST_F(OverlayDiffLinkTest, LinksToAufsFilesHaveTheirContentsAndAreOneFile) {
  stack_.apply({dir("d"), file("d/b", "old")});
  stack_.apply({file(".wh..wh.plnk/1.2", "data").mode(0600), file(".wh..wh.plnk/unused", "x"),
                link("a", ".wh..wh.plnk/1.2").mode(0640),
                link("d/b", ".wh..wh.plnk/1.2").mode(0640), symlink(".wh..wh.plnk/3", "target"),
                link("s", ".wh..wh.plnk/3")});
  const TreeDump shown = stack_.shown();
  EXPECT_EQ(paths_of(shown), (std::vector<std::string>{"a", "d", "d/b", "s"}));
  EXPECT_EQ(shown.at("a"), "file 0640 0:0 1600000000.123456789 'data'");
  EXPECT_EQ(shown.at("d/b"), shown.at("a") + " same file as a");
  EXPECT_EQ(paths_of(stack_.diff()), (std::vector<std::string>{"a", "d", "d/b", "s"}));
}

TEST_F(OverlayDiffLinkTest, AufsFilesMayBeNamesOfTheLayersFiles) {
  stack_.apply({file("a", "data"), link(".wh..wh.plnk/1", "a"), link("b", ".wh..wh.plnk/1")});
  EXPECT_EQ(stack_.shown().at("b"), stack_.shown().at("a") + " same file as a");
}

TEST_F(OverlayDiffLinkTest, RefusesAMissingAufsFile) {
  expect_error(Errc::Invalid, "unpacking '/a': linking to '.wh..wh.plnk/1': it does not exist",
               [this] {
                 stack_.apply({link("a", ".wh..wh.plnk/1"), file(".wh..wh.plnk/1")});
               });
}

TEST_F(OverlayDiffLinkTest, RefusesAMissingTarget) {
  expect_refused("unpacking '/b': linking to 'no/a': it does not exist", {dir("d")},
                 {link("b", "no/a")});
  expect_refused("linking to 'd/a': it does not exist", {}, {link("b", "d/a")});
}

TEST_F(OverlayDiffLinkTest, RefusesATargetThatTheLayerRemoves) {
  expect_refused("linking to 'a': the same layer removes it", {file("a")},
                 {whiteout("a"), link("b", "a")});
}

TEST_F(OverlayDiffLinkTest, RefusesATargetBelowAnOpaqueDirectory) {
  expect_refused("linking to 'd/a': it does not exist", {dir("d"), file("d/a")},
                 {opaque("d"), link("b", "d/a")});
}

TEST_F(OverlayDiffLinkTest, RefusesDirectoriesAndTheRoot) {
  expect_refused("linking to 'd': it is a directory", {dir("d")}, {link("b", "d")});
  expect_refused("linking to 'e': it is a directory", {}, {dir("e"), link("b", "e")});
  expect_refused("it is a directory", {}, {link("b", "")});
}

TEST_F(OverlayDiffLinkTest, RefusesItself) {
  expect_refused("linking to 'l/a': it is the link itself",
                 {dir("d"), file("d/a"), symlink("l", "d")}, {link("d/a", "l/a")});
}

TEST_F(OverlayDiffLinkTest, RefusesToReplaceADirectoryThatHoldsTheTarget) {
  expect_refused("linking to 'd/e/a': the link would replace a directory that holds it",
                 {dir("d"), dir("d/e"), file("d/e/a")}, {link("d", "d/e/a")});
}

}  // namespace
}  // namespace layerkit::testing
