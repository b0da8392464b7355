#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "expect_error.h"
#include "layer_stack.h"

namespace layerkit::testing {
namespace {

using Lines = std::vector<std::string>;

class OverlayDiffReaderTest : public PrivateMountsTest {
 protected:
  /// One line per entry, in the reader's order.
  Lines read(const std::shared_ptr<const LayerTree>& lower) {
    auto reader = make_overlay_diff_reader(stack_.diff_fd(), lower, stack_.context());
    Lines lines;
    while (const auto entry = reader->next()) {
      const std::string contents = read_all(reader->contents(), 1 << 20, "contents");
      std::string line = entry->hides == Hides::Path    ? "hide"
                         : entry->hides == Hides::Below ? "opaque"
                         : entry->hard_link_target      ? "link"
                                                        : describe(*entry, contents);
      line += " " + entry->path.absolute();
      if (entry->hard_link_target) {
        line += " = " + entry->hard_link_target->absolute();
        EXPECT_EQ(contents, "");
      }
      lines.push_back(line);
    }
    EXPECT_FALSE(reader->next());
    return lines;
  }
  Lines read() { return read(stack_.lower_view()); }

  /// The entries' paths and what they hide, without attributes.
  Lines read_short() {
    Lines lines = read();
    for (std::string& line : lines) {
      if (!line.starts_with("hide") && !line.starts_with("opaque") && !line.starts_with("link"))
        line = line.substr(line.rfind(" /") + 1);
    }
    return lines;
  }

  std::string in_diff(const std::string& name) const { return stack_.diff_path() + "/" + name; }
  void set_xattr(const std::string& name, const std::string& key, const std::string& value) const {
    set_xattr_at(AT_FDCWD, in_diff(name), key, value);
  }

  LayerStack stack_;
};

TEST_F(OverlayDiffReaderTest, GivesBackWhatTheWriterGot) {
  const std::string capability("\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
  const LayerItems items = {
      dir("").mode(0711).mtime(7, 7),
      dir("a").mode(02750).owner(1, 2).mtime(3, 4).xattr("user.k", "v"),
      file("a/f", "data").mode(04755).xattr("security.capability", capability),
      file("a/g").xattr("trusted.overlay.opaque", "plain").xattr("user.overlay.opaque", "too"),
      symlink("a/l", "f"),
      device(FileType::BlockDevice, "b", 8, 1),
      device(FileType::CharDevice, "c", 1, 3),
      fifo("p"),
  };
  stack_.apply(items);
  Lines wanted;
  for (const LayerItem& made : items) {
    wanted.push_back(describe(made.entry, made.contents) + " " + made.entry.path.absolute());
  }
  EXPECT_EQ(read(), wanted);
}

TEST_F(OverlayDiffReaderTest, MarkersAndWhiteoutsComeFirstAndNamesAreSortedBytewise) {
  stack_.apply({dir("d"), file("d/z"), dir("e"), file("e/x"), file("m"), file("t")});
  stack_.apply({file("d/\xff"), file("d/a"), whiteout("d/z"), file("d-x"), dir("e"), opaque("e"),
                file("e/n"), whiteout("t"), file("B"), whiteout("m"), dir("d")});
  EXPECT_EQ(read_short(), (Lines{"hide /m", "hide /t", "/B", "/d", "hide /d/z", "/d/a", "/d/\xff",
                                 "/d-x", "/e", "opaque /e", "/e/n"}));
}

TEST_F(OverlayDiffReaderTest, HardLinksPointToTheFirstName) {
  stack_.apply({dir("d"), file("z", "data"), link("d/y", "z"), link("a", "z"), symlink("s", "x"),
                link("r", "s")});
  EXPECT_EQ(read_short(),
            (Lines{"/a", "/d", "link /d/y = /a", "/r", "link /s = /r", "link /z = /a"}));
}

TEST_F(OverlayDiffReaderTest, WhiteoutsThatShareAnInodeAreNoLinks) {
  stack_.apply({file("a"), file("b")});
  stack_.apply({whiteout("a")});
  ASSERT_EQ(::link(in_diff("a").c_str(), in_diff("b").c_str()), 0);
  EXPECT_EQ(read_short(), (Lines{"/", "hide /a", "hide /b"}));
}

TEST_F(OverlayDiffReaderTest, MarkersAndWhiteoutsThatHideNothingAreLeftOut) {
  stack_.apply({dir("d"), file("d/f"), file("g")});
  stack_.apply({dir("d"), opaque("d"), dir("d/f"), dir("new")});
  set_xattr("new", "trusted.overlay.opaque", "y");
  set_xattr("d/f", "trusted.overlay.opaque", "y");
  ASSERT_EQ(::mknod(in_diff("ghost").c_str(), S_IFCHR, 0), 0);
  ASSERT_EQ(::mknod(in_diff("d/ghost").c_str(), S_IFCHR, 0), 0);
  EXPECT_EQ(read_short(), (Lines{"/", "/d", "opaque /d", "/d/f", "/new"}));
  EXPECT_EQ(read(nullptr).size(), 4U);
}

TEST_F(OverlayDiffReaderTest, RootComesOnlyWhenItDiffersFromTheLowerOne) {
  stack_.apply({dir("").mode(0711)});
  EXPECT_EQ(read_short(), Lines{"/"});
  stack_.apply({file("x")});
  EXPECT_EQ(read_short(), Lines{"/x"});
  stack_.apply({dir("").mode(0700), file("y")});
  EXPECT_EQ(read_short(), (Lines{"/", "/y"}));
}

TEST_F(OverlayDiffReaderTest, PrivateXattrsAreDroppedAndEscapedOnesShown) {
  stack_.apply({file("f", "x")});
  for (const std::string name : {"origin", "impure", "nlink", "uuid", "upper", "protattr"}) {
    set_xattr("f", "trusted.overlay." + name, "private");
  }
  set_xattr("f", "trusted.overlay.overlay.opaque", "shown");
  set_xattr("f", "user.overlay.opaque", "data");
  const Lines lines = read();
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_TRUE(
      lines[0].ends_with("'x' trusted.overlay.opaque='shown' user.overlay.opaque='data' /f"))
      << lines[0];
}

TEST_F(OverlayDiffReaderTest, XattrWhiteoutsAreWhiteouts) {
  stack_.apply({dir("d"), file("d/gone"), file("d/kept")});
  stack_.apply({dir("d"), file("d/gone"), file("d/kept")});
  set_xattr("d", "trusted.overlay.opaque", "x");
  set_xattr("d/gone", "trusted.overlay.whiteout", "y");
  EXPECT_EQ(read_short(), (Lines{"/d", "hide /d/gone", "/d/kept"}));
  EXPECT_EQ(paths_of(dump_tree(*stack_.view())), (Lines{"d", "d/kept"}));
}

TEST_F(OverlayDiffReaderTest, TreesRefuseRedirectsAndMetacopies) {
  stack_.apply({dir("d"), file("f")});
  set_xattr("d", "trusted.overlay.redirect", "/old");
  set_xattr("f", "trusted.overlay.metacopy", "");
  const auto tree = stack_.view();
  expect_error(Errc::Unsupported, "reading '/d': overlay redirect is not supported here",
               [&] { tree->lookup(RelPath::parse("d")); });
  expect_error(Errc::Unsupported, "reading '/f': overlay metacopy is not supported here",
               [&] { tree->lookup(RelPath::parse("f")); });
}

TEST_F(OverlayDiffReaderTest, WhiteoutNamesCannotBeStored) {
  stack_.apply({dir("d"), file("d/.wh.x")});
  expect_error(Errc::Invalid,
               "reading '/d/.wh.x': names starting with '.wh.' cannot be stored in a layer",
               [this] { read(); });
}

TEST_F(OverlayDiffReaderTest, SocketsAreLeftOutWithAWarning) {
  stack_.apply({file("f")});
  ASSERT_EQ(::mknod(in_diff("s").c_str(), S_IFSOCK | 0600, 0), 0);
  EXPECT_EQ(read_short(), (Lines{"/", "/f"}));
  EXPECT_EQ(stack_.warnings(), Lines{"leaving out 's': a layer cannot hold a socket"});
}

/// A container that goes on while it is read: what it swaps must not lead out of its files.
TEST_F(OverlayDiffReaderTest, FilesSwappedMeanwhileAreNeitherFollowedNorWaitedFor) {
  stack_.apply({file("f", "inside")});
  write_file_at(stack_.temp().fd(), "secret", "secret", 0600);
  auto reader = make_overlay_diff_reader(stack_.diff_fd(), nullptr, stack_.context());
  while (reader->next()->path != RelPath::parse("f")) {
  }
  const Fd diff = stack_.diff_fd();
  EXPECT_TRUE(unlink_at(diff.get(), "f"));
  make_symlink_at(stack_.temp().path("secret"), diff.get(), "f");
  expect_error(Errc::Io, "opening 'f': Too many levels of symbolic links",
               [&] { read_all(reader->contents(), 100, "contents"); });
  ASSERT_FALSE(HasFailure());
  EXPECT_TRUE(unlink_at(diff.get(), "f"));
  ASSERT_EQ(::mkfifo(in_diff("f").c_str(), 0600), 0);
  expect_error(Errc::NotFound, "reading '/f': it is not a regular file",
               [&] { read_all(reader->contents(), 100, "contents"); });
}

TEST_F(OverlayDiffReaderTest, DirectoriesSwappedMeanwhileAreNotFollowed) {
  stack_.apply({dir("d"), dir("d/deep"), file("d/deep/x"), file("d/f", "inside"), dir("e"),
                file("e/f", "moved")});
  auto reader = make_overlay_diff_reader(stack_.diff_fd(), nullptr, stack_.context());
  while (reader->next()->path != RelPath::parse("d/deep/x")) {
  }
  const Fd diff = stack_.diff_fd();
  rename_at(diff.get(), "d", stack_.temp().fd(), "gone");
  make_symlink_at("e", diff.get(), "d");
  expect_error(Errc::Io, "opening '/d': Too many levels of symbolic links",
               [&] { reader->next(); });
}

TEST_F(OverlayDiffReaderTest, ReadsWhatTheKernelWroteIntoAnUpperDirectory) {
  stack_.apply({dir("d"), file("d/gone"), file("d/kept", "old"), dir("r"), file("r/old"), file("m"),
                file("n", "linked"), link("o", "n")});
  const std::string lower = stack_.diff_path();
  const TempDir& temp = stack_.temp();
  for (const char* name : {"upper", "work"}) {
    make_dir_at(temp.fd(), name, 0755);
  }
  const std::string options = fmt::format("lowerdir={},upperdir={},workdir={}", lower,
                                          temp.path("upper"), temp.path("work"));
  const std::string mnt = temp.path("mnt");
  ASSERT_EQ(::mount("overlay", mnt.c_str(), "overlay", 0, options.c_str()), 0) << errno_text(errno);
  const Fd root = open_dir_at(AT_FDCWD, mnt);
  EXPECT_TRUE(unlink_at(root.get(), "d/gone"));
  write_file_at(root.get(), "d/kept", "new", 0644);
  remove_tree_at(root.get(), "r");
  make_dir_at(root.get(), "r", 0700);
  write_file_at(root.get(), "r/new", "1", 0600);
  EXPECT_TRUE(unlink_at(root.get(), "m"));
  EXPECT_EQ(::fchmodat(root.get(), "n", 0600, 0), 0);
  TreeDump wanted = without_links(DirectoryDumper::dump(mnt));
  ::umount2(mnt.c_str(), MNT_DETACH);

  const auto base = stack_.view();
  auto reader = make_overlay_diff_reader(open_dir_at(temp.fd(), "upper"), base, stack_.context());
  LayerItems items;
  while (auto entry = reader->next()) {
    items.push_back({*entry, read_all(reader->contents(), 1000, "contents")});
  }
  stack_.apply(items);
  expect_same_tree(without_links(stack_.shown()), wanted, "committed layer against the container");
  EXPECT_EQ(read_short(), (Lines{"/", "hide /m", "/d", "hide /d/gone", "/d/kept", "/n", "/r",
                                 "opaque /r", "/r/new"}));
}

}  // namespace
}  // namespace layerkit::testing
