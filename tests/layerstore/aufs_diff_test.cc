#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "expect_error.h"
#include "layer_stack.h"

namespace layerkit::testing {
namespace {

using Lines = std::vector<std::string>;

class AufsDiffTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "unpacking layers sets owners: it needs root";
  }

  std::string in_diff(const std::string& name) const { return stack_.diff_path() + "/" + name; }
  Lines names_in(const std::string& directory) const {
    Lines names;
    for (const DirEntry& entry : list_dir(open_dir_at(AT_FDCWD, in_diff(directory)).get()))
      names.push_back(entry.name);
    return names;
  }
  void write(const std::string& name, const std::string& contents = "") const {
    write_file_at(AT_FDCWD, in_diff(name), contents, 0444);
  }
  Lines shown() { return paths_of(stack_.shown()); }

  /// What the reader says of the top layer: paths and what they hide.
  Lines read() {
    auto reader = make_diff_reader(stack_.diff_fd(), stack_.lower_view(), stack_.context(),
                                   DiffFormat::aufs());
    Lines lines;
    while (const auto entry = reader->next()) {
      const char* kind = entry->hides == Hides::Path    ? "hide "
                         : entry->hides == Hides::Below ? "opaque "
                         : entry->hard_link_target      ? "link "
                                                        : "";
      lines.push_back(kind + entry->path.absolute());
    }
    return lines;
  }

  LayerStack stack_{DiffFormat::aufs()};
};

TEST_F(AufsDiffTest, WhiteoutsAndMarkersAreEmptyReadOnlyFiles) {
  stack_.apply({dir("d"), file("d/a"), file("f"), dir("e"), file("e/x")});
  const mode_t before = ::umask(0277);
  stack_.apply({whiteout("f"), dir("d"), opaque("d"), file("d/b"), dir("e"), whiteout("e/x")});
  ::umask(before);
  EXPECT_EQ(names_in("."), (Lines{".wh.f", "d", "e"}));
  EXPECT_EQ(names_in("d"), (Lines{".wh..wh..opq", "b"}));
  EXPECT_EQ(names_in("e"), Lines{".wh.x"});
  for (const char* name : {".wh.f", "d/.wh..wh..opq", "e/.wh.x"}) {
    const auto stat = stat_at(AT_FDCWD, in_diff(name));
    EXPECT_TRUE(stat->type == FileType::Regular && stat->mode == 0444 && stat->size == 0) << name;
    EXPECT_TRUE(stat->uid == 0 && stat->gid == 0) << name;
  }
  EXPECT_EQ(shown(), (Lines{"d", "d/b", "e"}));
}

TEST_F(AufsDiffTest, MarkersDoNotMoveTheTimesOfDirectories) {
  stack_.apply({dir("d"), file("d/a"), dir("e"), file("e/x")});
  stack_.apply({dir("d").mtime(5, 6), opaque("d"), whiteout("e/x"), dir("e").mtime(7, 8)});
  EXPECT_EQ(stat_at(AT_FDCWD, in_diff("d"))->mtime, (Timestamp{5, 6}));
  EXPECT_EQ(stat_at(AT_FDCWD, in_diff("e"))->mtime, (Timestamp{7, 8}));
}

TEST_F(AufsDiffTest, XattrsAreStoredAsTheyAre) {
  stack_.apply({file("f").xattr("trusted.overlay.opaque", "y").xattr("user.k", "v"), dir("d")});
  EXPECT_EQ(read_xattrs_at(AT_FDCWD, in_diff("f")),
            (Xattrs{{"trusted.overlay.opaque", "y"}, {"user.k", "v"}}));
  set_xattr_at(AT_FDCWD, in_diff("d"), "trusted.overlay.opaque", "y");
  EXPECT_TRUE(stack_.shown().at("d").ends_with("trusted.overlay.opaque='y'"));
}

/// AUFS merges directories across a file that stands between them.
TEST_F(AufsDiffTest, DirectoryOverALowerFileIsOpaque) {
  stack_.apply({dir("d"), file("d/old"), dir("e"), file("e/old")});
  stack_.apply({file("d"), file("e")});
  stack_.apply({dir("d"), file("e/new")});
  EXPECT_EQ(names_in("d"), Lines{".wh..wh..opq"});
  EXPECT_EQ(shown(), (Lines{"d", "e", "e/new"}));
  EXPECT_EQ(read(), (Lines{"/d", "/e", "/e/new"}));
}

TEST_F(AufsDiffTest, NewDirectoriesHaveNoMarker) {
  stack_.apply({dir("d")});
  stack_.apply({dir("d"), dir("d/new"), dir("other")});
  EXPECT_EQ(names_in("d"), Lines{"new"});
  EXPECT_EQ(names_in("d/new"), Lines{});
  EXPECT_EQ(names_in("other"), Lines{});
}

TEST_F(AufsDiffTest, OpaqueRootIsMarkedAndRead) {
  stack_.apply({file("old")});
  stack_.apply({opaque(""), file("new")});
  EXPECT_EQ(names_in("."), (Lines{".wh..wh..opq", "new"}));
  const auto top = make_diff_tree(stack_.diff_fd(), DiffFormat::aufs());
  EXPECT_EQ(top->lookup(RelPath())->hides, Hides::Below);
  EXPECT_TRUE(top->hides_lower(RelPath()));
  EXPECT_TRUE(top->hides_lower(RelPath::parse("old")));
  EXPECT_EQ(shown(), Lines{"new"});

  stack_.apply({file("newer")});
  write(".wh..wh..opq");
  EXPECT_EQ(read(), (Lines{"/", "opaque /", "/newer"}));
}

TEST_F(AufsDiffTest, NamesThatAufsKeepsForItselfAreRefused) {
  const std::string reason = "AUFS keeps names starting with '.wh.' for itself";
  const std::string creating = "': creating it: " + reason;
  expect_error(Errc::Invalid, "unpacking '/d/.wh.x" + creating, [&] {
    stack_.apply({dir("d"), file("d/.wh.x")});
  });
  expect_error(Errc::Invalid, "unpacking '/.wh.d" + creating,
               [&] { stack_.apply({dir(".wh.d")}); });
  expect_error(Errc::Invalid, "unpacking '/.wh.l" + creating, [&] {
    stack_.apply({file("f"), link(".wh.l", "f")});
  });
  expect_error(Errc::Invalid, "unpacking '/l/x': reaching directory '.wh.d': " + reason, [&] {
    stack_.apply({symlink("l", ".wh.d"), file("l/x")});
  });
}

TEST_F(AufsDiffTest, MetadataOfABranchIsNoContent) {
  stack_.apply({file("a"), file("b", "x"), dir("d")});
  stack_.apply({file("b", "new"), dir("d")});
  write(".wh..wh.aufs");
  for (const char* name : {".wh..wh.plnk", ".wh..wh.orph"})
    make_dir_at(AT_FDCWD, in_diff(name), 0700);
  ASSERT_EQ(::link(in_diff("b").c_str(), in_diff(".wh..wh.plnk/12.34").c_str()), 0);
  write(".wh..wh.orph/.wh..wh.gone.0a1b", "unlinked");
  write("d/.wh..wh.temporary.0001");
  EXPECT_EQ(read(), (Lines{"/", "/b", "/d"}));
  EXPECT_EQ(shown(), (Lines{"a", "b", "d"}));
  const auto view = stack_.view();
  for (const char* path : {".wh..wh.aufs", ".wh..wh.plnk", ".wh..wh.plnk/12.34"}) {
    EXPECT_FALSE(view->lookup(RelPath::parse(path))) << path;
    expect_error(Errc::NotFound, "no such file", [&] { view->open(RelPath::parse(path)); });
  }
}

TEST_F(AufsDiffTest, WhiteoutsThatShareAnInodeAreNoLinks) {
  stack_.apply({file("a"), file("b"), file("c")});
  stack_.apply({dir("d")});
  write(".wh..wh.aufs");
  for (const char* name : {".wh.a", ".wh.b"})
    ASSERT_EQ(::link(in_diff(".wh..wh.aufs").c_str(), in_diff(name).c_str()), 0);
  EXPECT_EQ(read(), (Lines{"/", "hide /a", "hide /b", "/d"}));
  EXPECT_EQ(shown(), (Lines{"c", "d"}));
}

TEST_F(AufsDiffTest, MarkersAndWhiteoutsThatHideNothingAreLeftOut) {
  stack_.apply({dir("d"), file("d/f"), file("g")});
  stack_.apply({dir("d"), dir("new")});
  for (const char* name : {"new/.wh..wh..opq", "new/.wh.ghost", ".wh.ghost", "d/.wh.ghost"})
    write(name);
  EXPECT_EQ(read(), (Lines{"/", "/d", "/new"}));
}

TEST_F(AufsDiffTest, ReadsWhatAContainerLeft) {
  stack_.apply({dir("d"), file("d/gone"), file("d/kept"), dir("r"), file("r/old"), file("m")});
  stack_.apply({dir("d"), dir("r"), file("r/new"), link("r/link", "r/new")});
  for (const char* name : {"d/.wh.gone", "r/.wh..wh..opq", ".wh.m"})
    write(name);
  EXPECT_EQ(read(), (Lines{"/", "hide /m", "/d", "hide /d/gone", "/r", "opaque /r", "/r/link",
                           "link /r/new"}));
  EXPECT_EQ(shown(), (Lines{"d", "d/kept", "r", "r/link", "r/new"}));
}

TEST_F(AufsDiffTest, WhatAufsWouldNotShowIsRefusedByName) {
  const auto reset = [&](const char* name) { ::unlink(in_diff(name).c_str()); };
  stack_.apply({file("x"), dir("d")});
  write(".wh.x");
  expect_error(Errc::Invalid, "reading '/x': the layer has it and hides it, too",
               [this] { read(); });
  expect_error(Errc::Invalid, "reading '/x': the layer has it and hides it, too",
               [this] { stack_.view()->lookup(RelPath::parse("x")); });
  reset(".wh.x");
  ASSERT_EQ(::mkdir(in_diff("d/.wh.y").c_str(), 0755), 0);
  expect_error(Errc::Invalid, "reading '.wh.y': a whiteout of AUFS is a regular file",
               [this] { read(); });
  expect_error(Errc::Invalid, "reading '.wh.y': a whiteout of AUFS is a regular file",
               [this] { stack_.view()->lookup(RelPath::parse("d/y")); });
  ASSERT_EQ(::rmdir(in_diff("d/.wh.y").c_str()), 0);
  write(".wh.");
  expect_error(Errc::Invalid, "reading whiteout '.wh.': it names no file", [this] { read(); });
  reset(".wh.");
  ASSERT_EQ(::mknod(in_diff("null").c_str(), S_IFCHR | 0600, 0), 0);
  expect_error(Errc::Invalid, "reading '/null': device 0:0 cannot be stored in a layer",
               [this] { read(); });
}

TEST_F(AufsDiffTest, LongNamesCanBeReadButNotHidden) {
  const std::string longest(251, 'n');
  const std::string longer(255, 'n');
  stack_.apply({file(longest), file(longer)});
  stack_.apply({file("other"), whiteout(longest)});
  EXPECT_EQ(shown(), (Lines{longer, "other"}));
  expect_error(Errc::Io, "File name too long", [&] { stack_.apply({whiteout(longer)}); });
}

}  // namespace
}  // namespace layerkit::testing
