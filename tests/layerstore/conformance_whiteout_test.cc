#include "conformance.h"

namespace layerkit::testing {
namespace {

const std::string kDirectoryWithOld = tar_dir("d") + tar_file("d/old", "old");

TEST_P(Conformance, C01_WhiteoutThenDirectoryShowsTheNewOneOnly) {
  run([](LayerStack& stack) {
    EXPECT_EQ(shown_paths(
                  stack, {kDirectoryWithOld, tar_file(".wh.d") + tar_dir("d") + tar_file("d/new")}),
              (Lines{"d", "d/new"}));
  });
}

TEST_P(Conformance, C02_WhiteoutHidesLowerContentOnlyWhateverTheOrder) {
  run([](LayerStack& stack) {
    apply_tar(stack, kDirectoryWithOld + tar_file("x", "old") + tar_file("y", "old"));
    apply_tar(stack, tar_file("x", "new") + tar_file(".wh.x") + tar_file(".wh.y") +
                         tar_file("y", "new") + tar_dir("d") + tar_file("d/new") +
                         tar_file(".wh.d"));
    const TreeDump shown = stack.shown();
    EXPECT_EQ(paths_of(shown), (Lines{"d", "d/new", "x", "y"}));
    EXPECT_TRUE(shown.at("x").ends_with("'new'")) << shown.at("x");
    EXPECT_TRUE(shown.at("y").ends_with("'new'")) << shown.at("y");
  });
}

TEST_P(Conformance, C03_OpaqueRootHidesEveryLayerBelow) {
  run([](LayerStack& stack) {
    EXPECT_EQ(shown_paths(stack, {kDirectoryWithOld, tar_file("second"),
                                  tar_file("own") + tar_file(".wh..wh..opq"), tar_file("above")}),
              (Lines{"above", "own"}));
  });
}

TEST_P(Conformance, C04_NoGhostWhiteoutsInOpaqueDirectoriesOrOfAbsentNames) {
  run([](LayerStack& stack) {
    // A ghost would be "listed but absent" in the mount.
    EXPECT_EQ(shown_paths(stack, {kDirectoryWithOld + tar_file("d/sub/f"),
                                  tar_file(".wh.absent") + tar_file("d/.wh.old") + tar_dir("d") +
                                      tar_file("d/sub/.wh.f") + tar_file("d/.wh..wh..opq") +
                                      tar_file("d/.wh.nothing"),
                                  tar_file("d/.wh.old")}),
              Lines{"d"});
  });
}

TEST_P(Conformance, C05_WhiteoutBelowAWhiteoutDoesNothing) {
  run([](LayerStack& stack) {
    EXPECT_EQ(shown_paths(stack, {kDirectoryWithOld + tar_file("kept"),
                                  tar_file(".wh.d") + tar_file("d/.wh.old")}),
              Lines{"kept"});
  });
}

TEST_P(Conformance, C06_OpaqueActsFirstAndSparesItsOwnLayer) {
  run([](LayerStack& stack) {
    const std::string opaque = tar_file("d/.wh..wh..opq");
    EXPECT_EQ(shown_paths(stack, {kDirectoryWithOld + tar_file("d/sub/old"),
                                  tar_file("d/new") + tar_file("d/sub/new") + opaque + opaque +
                                      tar_file("d/late") + opaque}),
              (Lines{"d", "d/late", "d/new", "d/sub", "d/sub/new"}));
  });
}

TEST_P(Conformance, C07_OpaqueWithoutADirectoryEntryKeepsTheLowerAttributes) {
  run([](LayerStack& stack) {
    apply_tar(stack,
              raw_header({.name = "d/", .type = '5', .mode = "0000700", .mtime = "00000000007"}) +
                  tar_file("d/old"));
    apply_tar(stack, tar_file("d/.wh..wh..opq") + tar_file("new/.wh..wh..opq") + tar_file("new/f"));
    const TreeDump shown = stack.shown();
    EXPECT_EQ(paths_of(shown), (Lines{"d", "new", "new/f"}));
    EXPECT_EQ(shown.at("d"), "dir 0700 0:0 7.000000000");
    EXPECT_EQ(shown.at("new"), "dir 0755 0:0 0.000000000");
  });
}

TEST_P(Conformance, C08_WhiteoutsThatNameNothingAreErrors) {
  run([](LayerStack& stack) {
    apply_tar(stack, kDirectoryWithOld);
    for (const std::string name : {".wh.", ".wh..", ".wh...", "d/.wh.", "d/.wh..", "d/.wh..."}) {
      expect_refused(stack, tar_file(name), Errc::Invalid, "it names no file");
    }
    EXPECT_EQ(paths_of(stack.shown()), (Lines{"d", "d/old"}));
  });
}

TEST_P(Conformance, C09_AufsMetadataIsNoContentButItsLinksResolve) {
  run([](LayerStack& stack) {
    apply_tar(stack, tar_dir(".wh..wh.plnk") + tar_file(".wh..wh.plnk/7.8", "linked") +
                         tar_file(".wh..wh.aufs") + tar_dir(".wh..wh.orph") +
                         tar_file(".wh..wh.orph/x") + tar_link("a", ".wh..wh.plnk/7.8") +
                         tar_link("b", ".wh..wh.plnk/7.8"));
    const TreeDump shown = stack.shown();
    EXPECT_EQ(paths_of(shown), (Lines{"a", "b"}));
    EXPECT_EQ(shown.at("a"), "file 0644 0:0 0.000000000 'linked'");
    EXPECT_EQ(shown.at("b"), shown.at("a") + " same file as a");
  });
}

TEST_P(Conformance, C09_WhiteoutsOfAnyTypeAreWhiteoutsButNoDirectories) {
  run([](LayerStack& stack) {
    EXPECT_EQ(shown_paths(stack, {tar_file("a") + tar_file("b") + tar_file("c") + tar_file("d"),
                                  tar_file(".wh.a", "contents") + tar_dir(".wh.b") +
                                      tar_symlink(".wh.c", "/")}),
              Lines{"d"});
    expect_refused(stack, tar_file(".wh.d/file"), Errc::Invalid, "it lies below a whiteout");
  });
}

// For the tests of all files.
INSTANTIATE_TEST_SUITE_P(Drivers,
                         Conformance,
                         ::testing::Values(kOverlay, kOverlayOfUser, kAufs),
                         driver_name);

}  // namespace
}  // namespace layerkit::testing
