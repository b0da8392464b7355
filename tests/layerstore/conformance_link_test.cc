#include "conformance.h"

namespace layerkit::testing {
namespace {

TEST_P(Conformance, C17_AHardLinkToALowerFileCopiesItUpWithItsAttributes) {
  run([](LayerStack& stack) {
    const std::string times = pax_record("mtime", "5.25") + pax_record("SCHILY.xattr.user.k", "v");
    const RawHeader target{.name = "d/f", .mode = "0004711"};
    apply_tar(stack, tar_dir("d", "0000700") + with_pax(times, raw_member(target, "data")));
    apply_tar(
        stack,
        with_pax(pax_record("mtime", "5.25"),
                 raw_header({.name = "l", .type = '1', .link_name = "d/f", .mode = "0004711"})));
    const TreeDump shown = stack.shown();
    EXPECT_EQ(shown.at("d"), "dir 0700 0:0 0.000000000");
    EXPECT_EQ(shown.at("d/f"), "file 4711 0:0 5.250000000 'data' user.k='v'");
    EXPECT_EQ(shown.at("l"), shown.at("d/f") + " same file as d/f");
  });
}

TEST_P(Conformance, C18_HardLinksToWhatIsNotThereAreErrors) {
  run([](LayerStack& stack) {
    apply_tar(stack, tar_dir("d") + tar_file("below") + tar_file("d/f"));
    const auto refused = [&](const std::string& members, const std::string& text) {
      expect_refused(stack, members, Errc::Invalid, text);
    };
    refused(tar_link("l", "later") + tar_file("later"), "linking to 'later': it does not exist");
    refused(tar_link("l", "missing"), "linking to 'missing': it does not exist");
    refused(tar_link("l", "l"), "it links to itself");
    refused(tar_link("l", "d"), "linking to 'd': it is a directory");
    refused(tar_file(".wh.below") + tar_link("l", "below"),
            "linking to 'below': the same layer removes it");
    refused(tar_file("d/.wh..wh..opq") + tar_link("l", "d/f"),
            "linking to 'd/f': it does not exist");
    EXPECT_EQ(paths_of(stack.shown()), (Lines{"below", "d", "d/f"}));
  });
}

TEST_P(Conformance, C18_AHardLinkToASymlinkLinksTheSymlinkAndChangesNothingBehindIt) {
  run([](LayerStack& stack) {
    apply_tar(stack,
              raw_member({.name = "victim", .mode = "0000600"}, "x") + tar_symlink("s", "victim") +
                  raw_header({.name = "l", .type = '1', .link_name = "s", .mode = "0004777"}));
    const TreeDump shown = stack.shown();
    EXPECT_EQ(shown.at("victim"), "file 0600 0:0 0.000000000 'x'");
    EXPECT_EQ(shown.at("s"), "symlink 0777 0:0 0.000000000 -> 'victim' same file as l");
  });
}

TEST_P(Conformance, C19_AHardLinksSizeIsNoContentsAndItsLastHeaderCounts) {
  run([](LayerStack& stack) {
    apply_tar(stack, tar_file("a", "data") +
                         raw_header({.name = "l",
                                     .type = '1',
                                     .size = 4,
                                     .link_name = "a",
                                     .mode = "0000600",
                                     .mtime = "00000000011"}) +
                         // POSIX pax lets a link bring contents: they are skipped.
                         raw_member({.name = "m", .type = '1', .link_name = "a", .mode = "0000640"},
                                    "data") +
                         tar_file("after"));
    const TreeDump shown = stack.shown();
    EXPECT_EQ(paths_of(shown), (Lines{"a", "after", "l", "m"}));
    EXPECT_EQ(shown.at("a"), "file 0640 0:0 0.000000000 'data'");
  });
}

TEST_P(Conformance, C20_TargetsOfHardLinksStayInsideTheRoot) {
  run([](LayerStack& stack) {
    write_file_at(AT_FDCWD, stack.temp().path("secret"), "host", 0600);
    const std::string host = stack.temp().path();
    apply_tar(stack, tar_file("a", "data") + tar_link("abs", "/a") + tar_symlink("here", ".") +
                         tar_link("through", "here/a") + tar_symlink("up", "../../../..") +
                         tar_link("clamped", "up/a"));
    EXPECT_EQ(paths_of(stack.shown()), (Lines{"a", "abs", "clamped", "here", "through", "up"}));
    expect_refused(stack, tar_link("l", "../secret"), Errc::Invalid, "leaves the root");
    expect_refused(stack, tar_link("l", host + "/secret"), Errc::Invalid, "it does not exist");
    expect_refused(stack, tar_symlink("s", host) + tar_link("l", "s/secret"), Errc::Invalid,
                   "it does not exist");
    expect_refused(stack,
                   tar_symlink("s", "../../../../../../.." + host) + tar_link("l", "s/secret"),
                   Errc::Invalid, "it does not exist");
  });
}

}  // namespace
}  // namespace layerkit::testing
