#include "conformance.h"

namespace layerkit::testing {
namespace {

TEST_P(Conformance, C10_TheLastOfSeveralEntriesOfOnePathWins) {
  run([](LayerStack& stack) {
    apply_tar(stack, tar_file("a", "first") + tar_file("./a", "second") + tar_dir("d") +
                         tar_file("d/f") + tar_file("d", "file") + tar_file("/a", "third"));
    const TreeDump shown = stack.shown();
    EXPECT_EQ(paths_of(shown), (Lines{"a", "d"}));
    EXPECT_TRUE(shown.at("a").ends_with("'third'")) << shown.at("a");
    ASSERT_EQ(stack.warnings().size(), 1U);
    EXPECT_NE(stack.warnings()[0].find("the last one counts: 3 times, first 'a'"),
              std::string::npos)
        << stack.warnings()[0];
  });
}

TEST_P(Conformance, C11_MissingParentsTakeTheLowerAttributesAndNeverThePresent) {
  run([](LayerStack& stack) {
    apply_tar(stack, with_pax(pax_record("mtime", "5.25") + pax_record("SCHILY.xattr.user.k", "v"),
                              tar_dir("private", "0000700")));
    apply_tar(stack, tar_file("private/f") + tar_file("new/deep/f"));
    const TreeDump shown = stack.shown();
    EXPECT_EQ(shown.at("private"), "dir 0700 0:0 5.250000000 user.k='v'");
    EXPECT_EQ(shown.at("new"), "dir 0755 0:0 0.000000000");
    EXPECT_EQ(shown.at("new/deep"), "dir 0755 0:0 0.000000000");
  });
}

TEST_P(Conformance, C12_SymlinkedParentsOfLowerLayersAreFollowed) {
  run([](LayerStack& stack) {
    EXPECT_EQ(
        shown_paths(stack, {tar_file("usr/lib/old") + tar_symlink("lib", "usr/lib") +
                                tar_symlink("d/abs", "/usr/lib"),
                            tar_file("lib/b") + tar_file("d/abs/c") + tar_file("lib/.wh.old")}),
        (Lines{"d", "d/abs", "lib", "usr", "usr/lib", "usr/lib/b", "usr/lib/c"}));
  });
}

TEST_P(Conformance, C13_SymlinksOfTheSameLayerAreFollowedInsideTheRoot) {
  run([](LayerStack& stack) {
    EXPECT_EQ(
        shown_paths(stack, {tar_symlink("l", "target") + tar_file("l/f") +
                            tar_symlink("out", "../../../../../../etc") + tar_file("out/g") +
                            tar_symlink("d/abs", "/tmp") + tar_file("d/abs/h")}),
        (Lines{"d", "d/abs", "etc", "etc/g", "l", "out", "target", "target/f", "tmp", "tmp/h"}));
  });
}

TEST_P(Conformance, C13_AFileOverASymlinkOfItsLayerReplacesItAndWritesNothingBehindIt) {
  run([](LayerStack& stack) {
    const std::string secret = stack.temp().path("secret");
    write_file_at(AT_FDCWD, secret, "host", 0600);
    apply_tar(stack, tar_symlink("s", secret) + tar_file("s", "mine"));
    const TreeDump shown = stack.shown();
    EXPECT_EQ(shown.at("s"), "file 0644 0:0 0.000000000 'mine'");
    EXPECT_EQ(read_file_at(AT_FDCWD, secret, 100), "host");
  });
}

TEST_P(Conformance, C14_AParentThatIsALowerFileBecomesADirectory) {
  run([](LayerStack& stack) {
    EXPECT_EQ(shown_paths(stack, {tar_file("p", "file"), tar_file("p/f")}), (Lines{"p", "p/f"}));
    expect_refused(stack, tar_file("q") + tar_file("q/f"), Errc::Invalid,
                   "'q' is a file of the same layer, not a directory");
  });
}

TEST_P(Conformance, C15_DirectoriesMergeAndAnythingElseIsReplaced) {
  run([](LayerStack& stack) {
    apply_tar(stack, tar_dir("merge", "0000700") + tar_file("merge/old") + tar_dir("to_file") +
                         tar_file("to_file/x") + tar_file("to_dir", "f") + tar_dir("to_link") +
                         tar_symlink("from_link", "merge") + tar_file("gone/x"));
    apply_tar(stack, tar_file(".wh.gone"));
    apply_tar(stack, tar_dir("merge", "0000711") + tar_file("merge/new") + tar_file("to_file") +
                         tar_dir("to_dir") + tar_symlink("to_link", "x") + tar_dir("from_link") +
                         tar_dir("gone"));
    const TreeDump shown = stack.shown();
    EXPECT_EQ(paths_of(shown), (Lines{"from_link", "gone", "merge", "merge/new", "merge/old",
                                      "to_dir", "to_file", "to_link"}));
    EXPECT_EQ(shown.at("merge"), "dir 0711 0:0 0.000000000");
    EXPECT_TRUE(shown.at("from_link").starts_with("dir "));
    EXPECT_TRUE(shown.at("to_dir").starts_with("dir "));
    EXPECT_TRUE(shown.at("to_file").starts_with("file "));
    EXPECT_TRUE(shown.at("to_link").starts_with("symlink "));
  });
}

TEST_P(Conformance, C16_TheRootEntrySetsTheRootsAttributesAndIsADirectory) {
  run([](LayerStack& stack) {
    for (const std::string name : {"./", ".", "/"}) {
      apply_tar(stack, raw_header({.name = name, .type = '5', .mode = "0000711"}));
      EXPECT_EQ(stack.shown().at(""), "dir 0711 0:0 0.000000000");
      apply_tar(stack, raw_header({.name = "./", .type = '5', .mode = "0000755"}));
      EXPECT_EQ(stack.shown().at(""), "dir 0755 0:0 0.000000000");
    }
    // An entry "." that is a symlink would unpack the rest anywhere.
    expect_refused(stack, tar_symlink(".", "/tmp") + tar_file("f"), Errc::Invalid,
                   "it is the root and not a directory");
    expect_refused(stack, tar_file("."), Errc::Invalid, "it is the root and not a directory");
  });
}

}  // namespace
}  // namespace layerkit::testing
