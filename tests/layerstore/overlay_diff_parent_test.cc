#include <gtest/gtest.h>

#include "expect_error.h"
#include "layer_stack.h"

namespace layerkit::testing {
namespace {

using Paths = std::vector<std::string>;

/// Parents that entries do not name, that are symlinks or files, and what replaces what.
class OverlayDiffParentTest : public PrivateMountsTest {
 protected:
  LayerStack stack_;
};

TEST_F(OverlayDiffParentTest, MissingParentTakesTheLowerDirectorysAttributes) {
  stack_.apply({dir("secret").mode(0700).owner(10, 20).mtime(1000, 7).xattr("user.k", "v")});
  const std::string before = stack_.shown().at("secret");
  stack_.apply({file("secret/new")});
  EXPECT_EQ(stack_.shown().at("secret"), before);
}

TEST_F(OverlayDiffParentTest, MissingParentWithoutLowerHasFixedAttributes) {
  stack_.apply({file("a/b/c")});
  const TreeDump shown = stack_.shown();
  EXPECT_EQ(shown.at("a"), "dir 0755 0:0 0.000000000");
  EXPECT_EQ(shown.at("a/b"), "dir 0755 0:0 0.000000000");
}

TEST_F(OverlayDiffParentTest, ParentNamedAfterItsChildKeepsBoth) {
  stack_.apply({dir("d").mode(0700), file("d/old")});
  stack_.apply({file("d/new"), dir("d").mode(0711).owner(1, 1).mtime(5)});
  const TreeDump shown = stack_.shown();
  EXPECT_EQ(shown.at("d"), "dir 0711 1:1 5.000000000");
  EXPECT_EQ(paths_of(shown), (Paths{"d", "d/new", "d/old"}));
  EXPECT_TRUE(stack_.warnings().empty());
}

TEST_F(OverlayDiffParentTest, SymlinkedParentInALowerLayerIsFollowed) {
  stack_.apply({dir("usr"), dir("usr/lib"), symlink("lib", "usr/lib"), symlink("abs", "/usr/lib")});
  stack_.apply({file("lib/b", "1"), file("abs/c", "2"), dir("lib/d"), symlink("lib/e", "x")});
  EXPECT_EQ(paths_of(stack_.shown()), (Paths{"abs", "lib", "usr", "usr/lib", "usr/lib/b",
                                             "usr/lib/c", "usr/lib/d", "usr/lib/e"}));
  EXPECT_EQ(paths_of(stack_.diff()),
            (Paths{"usr", "usr/lib", "usr/lib/b", "usr/lib/c", "usr/lib/d", "usr/lib/e"}));
}

TEST_F(OverlayDiffParentTest, SymlinkEarlierInTheSameLayerIsFollowed) {
  stack_.apply({dir("real"), symlink("a", "real"), symlink("b", "a"), file("b/x")});
  EXPECT_EQ(paths_of(stack_.shown()), (Paths{"a", "b", "real", "real/x"}));
}

TEST_F(OverlayDiffParentTest, SymlinkedParentNeverLeavesTheRoot) {
  stack_.apply({dir("d"), symlink("d/up", "../../../../.."), symlink("out", "/../../esc"),
                file("d/up/top"), file("out/x")});
  EXPECT_EQ(paths_of(stack_.shown()), (Paths{"d", "d/up", "esc", "esc/x", "out", "top"}));
}

TEST_F(OverlayDiffParentTest, DanglingSymlinkedParentMakesTheDirectoryItNames) {
  stack_.apply({symlink("lnk", "not/../there"), file("lnk/x")});
  EXPECT_EQ(paths_of(stack_.shown()), (Paths{"lnk", "there", "there/x"}));
}

TEST_F(OverlayDiffParentTest, ChangedSymlinkIsFollowedToItsNewTarget) {
  stack_.apply({dir("one"), dir("two"), symlink("l", "one")});
  stack_.apply({file("l/a"), symlink("l", "two"), file("l/b"), dir("one/l2")});
  EXPECT_EQ(paths_of(stack_.shown()), (Paths{"l", "one", "one/a", "one/l2", "two", "two/b"}));
}

TEST_F(OverlayDiffParentTest, SymlinkLoopIsAnError) {
  expect_error(Errc::Invalid, "unpacking '/a/x': resolving a parent: too many symlinks at '",
               [this] {
                 stack_.apply({symlink("b", "a"), symlink("a", "b"), file("a/x")});
               });
}

TEST_F(OverlayDiffParentTest, SymlinkBombIsAnErrorAndNotACrash) {
  LayerItems bomb;
  const std::string deep = [] {
    std::string text;
    for (int i = 0; i < 2000; ++i)
      text += "a/";
    return text;
  }();
  for (int i = 0; i < 39; ++i) {
    bomb.push_back(symlink(fmt::format("s{}", i), fmt::format("s{}/{}", i + 1, deep)));
  }
  bomb.push_back(file("s0/x"));
  expect_error(Errc::Limit, "directories deep", [&] { stack_.apply(bomb); });
}

TEST_F(OverlayDiffParentTest, DirectoriesThatNoEntryNamesAreCounted) {
  make_dir_at(stack_.temp().fd(), "diff", 0755);
  const auto writer = make_overlay_diff_writer(open_dir_at(stack_.temp().fd(), "diff"), nullptr,
                                               stack_.context(), {}, stack_.space(), 5);
  MemorySource nothing("");
  writer->add(file("a/b/c/x").entry, nothing);
  writer->add(file("a/b/c/y").entry, nothing);
  writer->add(dir("a/d/e").entry, nothing);
  expect_error(Errc::Limit,
               "unpacking '/a/f/x': the layer has more than 5 directories (the limit max-entries)",
               [&] { writer->add(file("a/f/x").entry, nothing); });
}

TEST_F(OverlayDiffParentTest, LowerFileAsAParentIsReplacedByADirectory) {
  stack_.apply({file("f", "old"), fifo("p"), dir("d"), file("d/f")});
  stack_.apply({file("f/x"), file("p/y/z"), file("d/f/w")});
  EXPECT_EQ(paths_of(stack_.shown()),
            (Paths{"d", "d/f", "d/f/w", "f", "f/x", "p", "p/y", "p/y/z"}));
}

TEST_F(OverlayDiffParentTest, FileOfTheSameLayerAsAParentIsAnError) {
  expect_error(Errc::Invalid,
               "unpacking '/d/f/x': resolving a parent: 'd/f' is a file of the same layer", [this] {
                 stack_.apply({dir("d"), file("d/f"), file("d/f/x")});
               });
}

TEST_F(OverlayDiffParentTest, EveryKindReplacesEveryOtherOfALowerLayer) {
  const auto kinds = [](const std::string& under) {
    return LayerItems{dir(under + "d"),          file(under + "d/child"),
                      file(under + "f", "data"), symlink(under + "l", "f"),
                      fifo(under + "p"),         device(FileType::CharDevice, under + "c", 1, 3)};
  };
  const std::string names = "dflpc";
  for (const char below : names) {
    for (const char above : names) {
      LayerStack stack;
      LayerItems lower;
      for (LayerItem made : kinds("")) {
        if (made.entry.path.str()[0] != below) continue;
        made.entry.path = RelPath::parse("x" + made.entry.path.str().substr(1));
        lower.push_back(made);
      }
      LayerItem upper = kinds("")[0];
      for (const LayerItem& made : kinds("")) {
        if (made.entry.path.str() == std::string(1, above)) upper = made;
      }
      upper.entry.path = RelPath::parse("x");
      stack.apply(lower);
      stack.apply({upper});
      const TreeDump shown = stack.shown();
      EXPECT_EQ(shown.at("x"), describe(upper.entry, upper.contents)) << below << above;
      EXPECT_EQ(shown.contains("x/child"), below == 'd' && above == 'd') << below << above;
      // And the same within one layer.
      LayerStack one;
      LayerItems both = lower;
      both.push_back(upper);
      one.apply(both);
      EXPECT_EQ(one.shown().at("x"), shown.at("x")) << below << above;
      EXPECT_EQ(one.warnings().size(), 1U) << below << above;
    }
  }
}

TEST_F(OverlayDiffParentTest, DirectoryReplacingALowerSymlinkIsNotTheLinksTarget) {
  stack_.apply({dir("real"), file("real/x"), symlink("l", "real")});
  stack_.apply({file("l/y"), dir("l"), file("l/z")});
  EXPECT_EQ(paths_of(stack_.shown()), (Paths{"l", "l/z", "real", "real/x", "real/y"}));
}

TEST_F(OverlayDiffParentTest, LastOfDuplicatesWinsWithOneWarning) {
  std::vector<std::string> removed;
  stack_.apply({file("a", "1"), file("a", "2"), symlink("a", "x"), file("a", "3"), dir("d"),
                dir("d").mode(0700), file("d/f"), file("d", "4")},
               [&](const RelPath& path) { removed.push_back(path.str()); });
  const TreeDump shown = stack_.shown();
  EXPECT_TRUE(shown.at("a").ends_with("'3'"));
  EXPECT_TRUE(shown.at("d").ends_with("'4'"));
  EXPECT_EQ(stack_.warnings(),
            Paths{"paths named by more than one entry of the layer, the last one counts: 5 times, "
                  "first 'a'"});
  EXPECT_EQ(removed, (Paths{"a", "a", "a", "d"}));
}

TEST_F(OverlayDiffParentTest, RootEntrySetsTheRootsAttributes) {
  stack_.apply({dir("").mode(01777).owner(3, 4).mtime(99, 1).xattr("user.r", "v"), file("x")});
  EXPECT_EQ(stack_.shown().at(""), "dir 1777 3:4 99.000000001 user.r='v'");
}

TEST_F(OverlayDiffParentTest, LayerWithoutRootEntryKeepsTheLowerRootsAttributes) {
  stack_.apply({file("x")});
  EXPECT_EQ(stack_.shown().at(""), "dir 0755 0:0 0.000000000");
  stack_.apply({dir("").mode(0700).owner(3, 4).mtime(99, 1)});
  stack_.apply({file("y")});
  EXPECT_EQ(stack_.shown().at(""), "dir 0700 3:4 99.000000001");
}

TEST_F(OverlayDiffParentTest, RootCanOnlyBeADirectory) {
  expect_error(Errc::Invalid, "unpacking '/': replacing the root: it can only be a directory",
               [this] { stack_.apply({symlink("", "x")}); });
  expect_error(Errc::Invalid, "it can only be a directory", [this] { stack_.apply({file("")}); });
  expect_error(Errc::Invalid, "it can only be a directory", [this] {
    stack_.apply({file("x"), link("", "x")});
  });
}

TEST_F(OverlayDiffParentTest, TwoThousandDirectoriesDeepWork) {
  LayerItems deep;
  std::string path;
  for (int i = 0; i < 2000; ++i)
    deep.push_back(dir(path += "d/").mode(0711));
  deep.push_back(file(path + "x", "bottom"));
  stack_.apply(deep);
  stack_.apply({whiteout(path + "x"), file(path + "y", "new")});
  const auto view = stack_.view();
  EXPECT_FALSE(view->lookup(RelPath::parse(path + "x")));
  EXPECT_EQ(view->lookup(RelPath::parse(path + "y"))->size, 3U);
  EXPECT_EQ(view->lookup(RelPath::parse(path))->mode, 0711U);
}

TEST_F(OverlayDiffParentTest, NameTooLongSaysSo) {
  expect_error(Errc::Io, "File name too long",
               [this] { stack_.apply({file(std::string(256, 'n'))}); });
}

}  // namespace
}  // namespace layerkit::testing
