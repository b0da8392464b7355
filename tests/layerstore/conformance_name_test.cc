#include "conformance.h"

namespace layerkit::testing {
namespace {

/// What a layer must not be, on a lower layer that stays as it is.
void expect_all_refused(LayerStack& stack,
                        const std::vector<std::string>& layers,
                        Errc code,
                        const std::string& text) {
  for (const std::string& members : layers)
    expect_refused(stack, members, code, text);
}

TEST_P(Conformance, C21_NamesThatLeaveTheRootAreErrorsAndNeverClamped) {
  run([](LayerStack& stack) {
    apply_tar(stack, tar_file("/absolute") + tar_file("d/../inside"));
    EXPECT_EQ(paths_of(stack.shown()), (Lines{"absolute", "inside"}));
    expect_all_refused(stack,
                       {tar_file("../x"), tar_file("d/../../x"), tar_file("/../x"), tar_file(".."),
                        tar_file("../.wh.absolute"), tar_file("../.wh..wh..opq"),
                        with_pax(pax_record("path", "a/../../x"), tar_file("a"))},
                       Errc::Invalid, "it leaves the root");
  });
}

TEST_P(Conformance, C22_AwkwardNamesAreKeptAndImpossibleOnesRefused) {
  run([](LayerStack& stack) {
    const std::string longest(255, 'n');
    apply_tar(stack, with_pax(pax_record("path", longest), tar_file("x")) + tar_file("Case") +
                         tar_file("case") + tar_file("new\nline") + tar_file("\xff\xfe") +
                         tar_file("slash/") + tar_file(" ") + tar_file("-rf"));
    const TreeDump shown = stack.shown();
    EXPECT_EQ(paths_of(shown),
              (Lines{" ", "-rf", "Case", "case", "new\nline", longest, "slash", "\xff\xfe"}));
    EXPECT_TRUE(shown.at("slash").starts_with("dir "));
    expect_refused(stack, tar_file(""), Errc::Invalid, "its name is empty");
    expect_refused(stack, with_pax(pax_record("path", longest + "n"), tar_file("x")), Errc::Limit,
                   "a name of more than 255 bytes");
    std::string deep = "d";
    while (deep.size() < 4200)
      deep += "/" + std::string(200, 'd');
    expect_refused(stack, with_pax(pax_record("path", deep), tar_file("x")), Errc::Limit,
                   "more than 4095 bytes");
    expect_refused(stack, with_pax(pax_record("path", std::string("a\0b", 3)), tar_file("x")),
                   Errc::Invalid, "NUL");
  });
}

TEST_P(Conformance, C23_NamesAreBytesAndNeverNormalised) {
  run([](LayerStack& stack) {
    const Lines names = {"e\xcc\x81", "\xc3\xa9", "\xe1\x84\x80\xe1\x85\xa1", "\xea\xb0\x80"};
    std::string members;
    for (const std::string& name : names)
      members += with_pax(pax_record("path", name), tar_file("x", name));
    apply_tar(stack, members);
    const TreeDump shown = stack.shown();
    ASSERT_EQ(shown.size(), names.size() + 1);
    for (const std::string& name : names) {
      EXPECT_TRUE(shown.at(name).ends_with(layerkit::quoted(name))) << shown.at(name);
    }
  });
}

TEST_P(Conformance, C24_PaxRecordsWinAndGlobalOnesNameNothing) {
  run([](LayerStack& stack) {
    const std::string value("raw\0\n=\xff", 7);
    const std::string records = pax_record("path", "named") + pax_record("mtime", "9.5") +
                                pax_record("size", "4") + pax_record("uid", "0") +
                                pax_record("SCHILY.xattr.user.k", value);
    apply_tar(stack, pax_header(pax_record("path", "global") + pax_record("size", "7"), 'g') +
                         pax_header(records) + raw_header({.name = "x", .uid = "0000007"}) +
                         padded("data") +
                         with_pax(pax_record("linkpath", "to"), tar_symlink("s", "x")) +
                         tar_file("plain"));
    const TreeDump shown = stack.shown();
    EXPECT_EQ(paths_of(shown), (Lines{"named", "plain", "s"}));
    EXPECT_EQ(shown.at("named"),
              "file 0644 0:0 9.500000000 'data' user.k=" + layerkit::quoted(value));
    EXPECT_TRUE(shown.at("s").ends_with("-> 'to'"));
  });
}

TEST_P(Conformance, C24_GnuLongNamesAndTypeFlags) {
  run([](LayerStack& stack) {
    const std::string name = std::string(150, 'a') + "/" + std::string(150, 'b');
    const std::string target(120, 't');
    const RawHeader long_name{.name = "././@LongLink", .type = 'L', .magic = kGnuMagicText};
    const RawHeader long_link{.name = "././@LongLink", .type = 'K', .magic = kGnuMagicText};
    apply_tar(stack, raw_member(long_name, name + '\0') + tar_file("aaa", "x") +
                         raw_member(long_link, target + '\0') + tar_symlink("s", "ttt") +
                         raw_member({.name = "contiguous", .type = '7'}, "seven"));
    const TreeDump shown = stack.shown();
    EXPECT_TRUE(shown.at(name).ends_with("'x'"));
    EXPECT_TRUE(shown.at("s").ends_with(target + "'"));
    EXPECT_TRUE(shown.at("contiguous").ends_with("'seven'"));
    for (const char type : std::string("VMDNAZ9\x7f")) {
      expect_refused(stack, raw_header({.name = "x", .type = type}), Errc::Invalid,
                     "its type flag");
    }
  });
}

TEST_P(Conformance, C25_OfRepeatedPaxKeysTheLastWinsAndMalformedRecordsAreErrors) {
  run([](LayerStack& stack) {
    apply_tar(stack, with_pax(pax_record("path", "first") + pax_record("mtime", "1") +
                                  pax_record("path", "second") + pax_record("mtime", "-1.25") +
                                  pax_record("atime", "nonsense") + pax_record("ctime", "-0.5"),
                              tar_file("x")));
    EXPECT_EQ(stack.shown().at("second"), "file 0644 0:0 -2.750000000 ''");
    expect_all_refused(
        stack,
        {with_pax("nonsense", tar_file("x")), with_pax("9 path=ab\n\n", tar_file("x")),
         with_pax(" 8 path=a\n", tar_file("x")), with_pax("99 path=a\n", tar_file("x")),
         with_pax(pax_record("size", "-1"), tar_file("x")),
         with_pax(pax_record("size", "1.5"), tar_file("x")),
         with_pax(pax_record("uid", "0x10"), tar_file("x")),
         with_pax(pax_record("mtime", "soon"), tar_file("x"))},
        Errc::Invalid, "reading tar entry");
  });
}

}  // namespace
}  // namespace layerkit::testing
