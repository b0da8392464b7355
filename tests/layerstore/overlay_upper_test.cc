#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "expect_error.h"
#include "layer_stack.h"
#include "upper_mount.h"

namespace layerkit::testing {
namespace {

using Lines = std::vector<std::string>;

constexpr const char* kEverything = ",redirect_dir=on,metacopy=on,index=on";

/// Changes made in a mount; the layer made of them must show the same on the layers below.
class OverlayUpperTest : public PrivateMountsTest {
 protected:
  void SetUp() override {
    PrivateMountsTest::SetUp();
    stack_.apply({dir("").mode(0711), dir("d").mode(0750).owner(3, 4).mtime(5, 6),
                  file("d/f", "in f").xattr("user.k", "v"), file("d/gone", "x"), dir("d/sub"),
                  file("d/sub/g", "in g").mode(04711), symlink("d/sub/l", "../f"), dir("e"),
                  file("e/old", "old"), file("m", "metadata").mode(0644), file("n", "other"),
                  dir("empty"), fifo("p")});
    stack_.apply({dir("d").mode(0750).owner(3, 4).mtime(5, 6), file("d/top", "second layer"),
                  whiteout("e/old"), file("e/new", "new")});
  }

  void rename(const UpperMount& mount, const std::string& from, const std::string& to) {
    rename_at(mount.fd(), from, mount.fd(), to);
  }

  /// The layer that `mount` comes to, applied; what it says.
  Lines expect_committed(UpperMount& mount, const DiffReaderOptions& options = {}) {
    mount.remount();  // what the kernel has to find again from the disk alone
    const TreeDump wanted = without_links(mount.shown());
    mount.unmount();
    const LayerItems items = committed(mount, stack_, options);
    stack_.apply(items);
    expect_same_tree(without_links(stack_.shown()), wanted, "layer against the mount");
    return outline(items);
  }

  LayerStack stack_;
};

TEST_F(OverlayUpperTest, ARenamedDirectoryIsCopiedAndItsOldPlaceHidden) {
  UpperMount mount(stack_, kEverything);
  rename(mount, "d", "moved");
  ASSERT_EQ(read_xattr_at(mount.upper().get(), "moved", "trusted.overlay.redirect"), "d");
  EXPECT_EQ(expect_committed(mount),
            (Lines{"/", "hide /d", "/moved", "/moved/f", "/moved/gone", "/moved/sub",
                   "/moved/sub/g", "/moved/sub/l", "/moved/top"}));
}

TEST_F(OverlayUpperTest, ChangesInARenamedDirectoryComeOnTopOfTheCopy) {
  UpperMount mount(stack_, kEverything);
  rename(mount, "d", "empty/deep");
  unlink_at(mount.fd(), "empty/deep/gone");
  write_file_at(mount.fd(), "empty/deep/f", "changed", 0);
  write_file_at(mount.fd(), "empty/deep/sub/h", "added", 0600);
  EXPECT_EQ(::fchmodat(mount.fd(), "empty/deep", 0700, 0), 0);
  EXPECT_EQ(
      expect_committed(mount),
      (Lines{"/", "hide /d", "/empty", "/empty/deep", "/empty/deep/f", "/empty/deep/sub",
             "/empty/deep/sub/g", "/empty/deep/sub/h", "/empty/deep/sub/l", "/empty/deep/top"}));
}

TEST_F(OverlayUpperTest, RedirectsInsideRedirectedDirectoriesAreFollowed) {
  UpperMount mount(stack_, kEverything);
  rename(mount, "d", "a");
  rename(mount, "a/sub", "a/inner");
  rename(mount, "e", "a/e");
  rename(mount, "a/inner", "inner");
  rename(mount, "a", "b");
  expect_committed(mount);
}

TEST_F(OverlayUpperTest, ADirectoryRenamedOverAnotherHidesThatOnesChildren) {
  UpperMount mount(stack_, kEverything);
  unlink_at(mount.fd(), "e/new");
  rename(mount, "d", "e");
  const Lines lines = expect_committed(mount);
  EXPECT_EQ((Lines(lines.begin(), lines.begin() + 4)), (Lines{"/", "hide /d", "/e", "opaque /e"}));
}

TEST_F(OverlayUpperTest, ADirectoryRenamedThereAndBackIsNotCopied) {
  UpperMount mount(stack_, kEverything);
  rename(mount, "d", "x");
  rename(mount, "x", "d");
  EXPECT_EQ(expect_committed(mount), (Lines{"/", "/d"}));
}

TEST_F(OverlayUpperTest, TwoDirectoriesThatChangePlacesAreBothCopied) {
  UpperMount mount(stack_, kEverything);
  rename(mount, "d", "x");
  rename(mount, "e", "d");
  rename(mount, "x", "e");
  expect_committed(mount);
}

TEST_F(OverlayUpperTest, ANewDirectoryAtTheOldPlaceShowsNothingOfTheOldOne) {
  UpperMount mount(stack_, kEverything);
  rename(mount, "d", "moved");
  make_dir_at(mount.fd(), "d", 0755);
  write_file_at(mount.fd(), "d/own", "1", 0644);
  expect_committed(mount);
}

TEST_F(OverlayUpperTest, FilesWithChangedMetadataKeepTheLowerContents) {
  UpperMount mount(stack_, kEverything);
  EXPECT_EQ(::fchmodat(mount.fd(), "m", 0600, 0), 0);
  EXPECT_EQ(::fchownat(mount.fd(), "d/f", 7, 8, 0), 0);
  ASSERT_TRUE(read_xattr_at(mount.upper().get(), "m", "trusted.overlay.metacopy"));
  const Lines lines = expect_committed(mount);
  EXPECT_EQ(lines, (Lines{"/", "/d", "/d/f", "/m"}));
}

TEST_F(OverlayUpperTest, RenamedAndLinkedMetacopiesFindTheirContents) {
  UpperMount mount(stack_, kEverything);
  EXPECT_EQ(::fchmodat(mount.fd(), "m", 0600, 0), 0);
  rename(mount, "m", "e/m2");
  EXPECT_EQ(::fchmodat(mount.fd(), "n", 0600, 0), 0);
  rename(mount, "n", "n2");
  EXPECT_EQ(::linkat(mount.fd(), "n2", mount.fd(), "d/n3", 0), 0);
  rename(mount, "d/sub", "d/sub2");
  EXPECT_EQ(::fchmodat(mount.fd(), "d/sub2/g", 0644, 0), 0);
  const Lines lines = expect_committed(mount);
  EXPECT_EQ(std::count(lines.begin(), lines.end(), "link /n2 = /d/n3"), 1);
}

TEST_F(OverlayUpperTest, NewDirectoriesThatCoverNothingGetNoMarker) {
  UpperMount mount(stack_, kEverything);
  make_dir_at(mount.fd(), "fresh", 0755);
  ASSERT_EQ(read_xattr_at(mount.upper().get(), "fresh", "trusted.overlay.opaque"), "y");
  unlink_at(mount.fd(), "empty", AT_REMOVEDIR);
  make_dir_at(mount.fd(), "empty", 0700);
  EXPECT_EQ(expect_committed(mount), (Lines{"/", "/empty", "/fresh"}));
}

TEST_F(OverlayUpperTest, LinksOfOneFileInTheUpperLayerStayLinks) {
  UpperMount mount(stack_, kEverything);
  EXPECT_EQ(::linkat(mount.fd(), "n", mount.fd(), "d/n2", 0), 0);
  write_file_at(mount.fd(), "n", "longer than before", 0);
  EXPECT_EQ(expect_committed(mount), (Lines{"/", "/d", "/d/n2", "link /n = /d/n2"}));
}

TEST_F(OverlayUpperTest, ALowerFileWithUnseenNamesIsRefusedAndNotTornApart) {
  stack_.apply({file("one", "shared"), link("two", "one")});
  UpperMount mount(stack_, kEverything);
  write_file_at(mount.fd(), "one", "changed", 0);
  EXPECT_EQ(read_file_at(mount.fd(), "two", 100), "changed");
  mount.unmount();
  expect_error(Errc::Unsupported,
               "reading '/one': it was written by an overlay mount with index=on",
               [&] { committed(mount, stack_); });
}

TEST_F(OverlayUpperTest, WithoutIndexAChangedNameLeavesTheOthers) {
  stack_.apply({file("one", "shared"), link("two", "one")});
  UpperMount mount(stack_, ",index=off");
  write_file_at(mount.fd(), "one", "changed", 0);
  EXPECT_EQ(expect_committed(mount), (Lines{"/", "/one"}));
}

TEST_F(OverlayUpperTest, UnchangedCopyUpsAreKeptUnlessAskedToDropThem) {
  UpperMount mount(stack_, ",redirect_dir=off,metacopy=off");
  for (const char* name : {"d/f", "d/sub/g", "m"}) {
    const Fd file = open_at(mount.fd(), name, O_WRONLY);  // copies up
  }
  const timespec kLater[2] = {{1, 0}, {1, 0}};
  EXPECT_EQ(::utimensat(mount.fd(), "n", kLater, 0), 0);
  mount.unmount();
  EXPECT_EQ(outline(committed(mount, stack_)),
            (Lines{"/", "/d", "/d/f", "/d/sub", "/d/sub/g", "/m", "/n"}));
  const DiffReaderOptions drop{.unchanged = Unchanged::Drop};
  EXPECT_EQ(expect_committed(mount, drop), (Lines{"/", "/n"}));
}

TEST_F(OverlayUpperTest, OnlyEqualContentsAreUnchanged) {
  UpperMount mount(stack_, ",redirect_dir=off,metacopy=off");
  const FileStat before = *stat_at(mount.fd(), "d/sub/g");
  write_file_at(mount.fd(), "d/sub/g", "in G", 0);
  const timespec times[2] = {{0, UTIME_OMIT},
                             {before.mtime.seconds, static_cast<long>(before.mtime.nanoseconds)}};
  EXPECT_EQ(::fchmodat(mount.fd(), "d/sub/g", 04711, 0), 0);
  EXPECT_EQ(::utimensat(mount.fd(), "d/sub/g", times, 0), 0);
  { const Fd file = open_at(mount.fd(), "d/f", O_WRONLY); }
  const DiffReaderOptions drop{.unchanged = Unchanged::Drop};
  EXPECT_EQ(expect_committed(mount, drop), (Lines{"/", "/d", "/d/sub", "/d/sub/g"}));
}

TEST_F(OverlayUpperTest, ParentsOfChangedFilesComeWithTheirTrueAttributes) {
  UpperMount mount(stack_, ",redirect_dir=off,metacopy=off");
  write_file_at(mount.fd(), "d/f", "changed", 0);
  mount.unmount();
  const LayerItems items = committed(mount, stack_);
  ASSERT_EQ(outline(items), (Lines{"/", "/d", "/d/f"}));
  EXPECT_EQ(describe(items[1].entry, ""), "dir 0750 3:4 5.000000006");
}

TEST_F(OverlayUpperTest, ReservedNamesCanBeDroppedWithAWarning) {
  UpperMount mount(stack_);
  write_file_at(mount.fd(), ".wh.x", "", 0644);
  make_dir_at(mount.fd(), "e/.wh.dir", 0755);
  write_file_at(mount.fd(), "e/.wh.dir/f", "", 0644);
  mount.unmount();
  expect_error(Errc::Invalid, "reading '/.wh.x': names starting with '.wh.' cannot be stored",
               [&] { committed(mount, stack_); });
  const DiffReaderOptions drop{.reserved_names = ReservedNames::DropWithWarning};
  EXPECT_EQ(outline(committed(mount, stack_, drop)), (Lines{"/", "/e"}));
  EXPECT_EQ(stack_.warnings(),
            (Lines{"leaving out '.wh.x': a layer cannot hold names starting with '.wh.'",
                   "leaving out 'e/.wh.dir': a layer cannot hold names starting with '.wh.'"}));
}

/// Upper directories that no kernel wrote.
class HostileUpperTest : public OverlayUpperTest {
 protected:
  void SetUp() override {
    OverlayUpperTest::SetUp();
    make_dir_at(stack_.temp().fd(), "upper", 0755);
    make_dir_at(upper().get(), "x", 0755);
    write_file_at(upper().get(), "f", "", 0644);
  }
  Fd upper() const { return open_dir_at(stack_.temp().fd(), "upper"); }
  void note(const char* name, const char* key, const std::string& value) const {
    set_xattr_at(upper().get(), name, std::string("trusted.overlay.") + key, value);
  }
  void expect_refused(Errc code, const std::string& text) const {
    expect_error(code, text, [&] {
      const auto reader = make_overlay_diff_reader(upper(), stack_.view(), stack_.context());
      read_items(*reader);
    });
  }
};

TEST_F(HostileUpperTest, RedirectsThatAreNoPathsAreRefused) {
  for (const std::string& value : Lines{"", "..", ".", "a/b", "d/", "/", "//d", "/d/", "/d//sub",
                                        "/../d", "/d/./sub", "/d/sub/.."}) {
    note("x", "redirect", value);
    expect_refused(Errc::Invalid, "reading '/x': following its overlay redirect " +
                                      layerkit::quoted(value) + ": it is neither");
  }
  note("x", "redirect", std::string("d\0x", 3));
  expect_refused(Errc::Invalid, "it is neither an absolute path nor a name");
}

TEST_F(HostileUpperTest, RedirectsToWhatIsNoLowerDirectoryAreRefused) {
  for (const std::string& value :
       Lines{"missing", "/missing", "/d/missing", "m", "/m", "/m/x", "/d/f"}) {
    note("x", "redirect", value);
    expect_refused(Errc::Invalid, "reading '/x': following its overlay redirect '" + value +
                                      "': there is no such directory");
  }
}

TEST_F(HostileUpperTest, RelativeRedirectsInADirectoryWithoutALowerOneAreRefused) {
  make_dir_at(upper().get(), "x/y", 0755);
  note("x/y", "redirect", "d");
  expect_refused(Errc::Invalid, "reading '/x/y': following its overlay redirect 'd': no lower");
}

TEST_F(HostileUpperTest, AnOpaqueDirectorysRedirectIsNotFollowed) {
  note("x", "redirect", "/d");
  note("x", "opaque", "y");
  const auto reader = make_overlay_diff_reader(upper(), stack_.view(), stack_.context());
  EXPECT_EQ(outline(read_items(*reader)), (Lines{"/", "/f", "/x"}));
}

TEST_F(HostileUpperTest, MetacopiesWithoutALowerFileAreRefused) {
  note("f", "metacopy", "");
  expect_refused(Errc::Invalid,
                 "reading '/f': following its overlay metacopy: the lower layers have no file");
  for (const char* value : {"/missing", "missing", "/d", "/p"}) {
    note("f", "redirect", value);
    expect_refused(Errc::Invalid, "the lower layers have no file for it");
  }
  note("f", "redirect", "../m");
  expect_refused(Errc::Invalid, "it is neither an absolute path nor a name");
}

TEST_F(HostileUpperTest, AMetacopyHasTheSizeOfItsLowerFile) {
  note("f", "metacopy", "");
  note("f", "redirect", "/m");
  expect_refused(Errc::Integrity,
                 "reading '/f': following its overlay metacopy: '/m' has 8 bytes instead of 0");
}

TEST_F(HostileUpperTest, RedirectsToADirectoryAboveDoNotEndInALoop) {
  // As many copies as redirects ask for and no more: copies are of the lower view alone.
  make_dir_at(upper().get(), "x/d", 0755);
  note("x", "redirect", "/d");
  note("x/d", "redirect", "/d");
  const auto reader = make_overlay_diff_reader(upper(), stack_.view(), stack_.context());
  const Lines lines = outline(read_items(*reader));
  EXPECT_EQ(std::count(lines.begin(), lines.end(), "/x/d/f"), 1);
  EXPECT_EQ(std::count(lines.begin(), lines.end(), "/x/d/d"), 0);
}

/// A file whose size changes at a moment the test chooses.
class ChangingFileTest : public HostileUpperTest {
 protected:
  void expect_refused_after(const std::function<void()>& change, const std::string& text) {
    write_file_at(upper().get(), "f", std::string(100'000, 'x'), 0644);
    const auto reader = make_overlay_diff_reader(upper(), stack_.view(), stack_.context());
    while (const auto entry = reader->next()) {
      if (entry->path != RelPath::parse("f")) continue;
      std::vector<std::byte> some(1000);
      reader->contents().read(some);
      change();
      expect_error(Errc::Integrity, "reading '/f': " + text, [&] { drain(reader->contents()); });
      return;
    }
    ADD_FAILURE() << "no file";
  }
  void resize(off_t size) const {
    ASSERT_EQ(::truncate(stack_.temp().path("upper/f").c_str(), size), 0);
  }
};

TEST_F(ChangingFileTest, AFileThatShrinksIsAnError) {
  expect_refused_after([this] { resize(500); }, "it became shorter than 100000 bytes meanwhile");
}

TEST_F(ChangingFileTest, AFileThatGrowsIsAnError) {
  expect_refused_after([this] { resize(200'000); },
                       "it changed meanwhile: it has 200000 bytes instead of 100000");
}

TEST_F(ChangingFileTest, AFileThatGrowsBeforeItIsOpenedIsAnError) {
  write_file_at(upper().get(), "f", "abc", 0644);
  const auto reader = make_overlay_diff_reader(upper(), stack_.view(), stack_.context());
  while (reader->next()->path != RelPath::parse("f")) {
  }
  resize(10);
  expect_error(Errc::Integrity, "reading '/f': it changed meanwhile: it has 10 bytes instead of 3",
               [&] { drain(reader->contents()); });
}

TEST_F(HostileUpperTest, HolesAreReadAsZeros) {
  const Fd file = open_at(upper().get(), "f", O_WRONLY);
  std::string wanted(3'000'000, '\0');
  const auto put = [&](std::size_t at, const std::string& text) {
    wanted.replace(at, text.size(), text);
    ASSERT_EQ(::pwrite(file.get(), text.data(), text.size(), static_cast<off_t>(at)),
              static_cast<ssize_t>(text.size()));
  };
  put(0, "start");
  put(1'000'000, std::string(9000, 'm'));
  ASSERT_EQ(::ftruncate(file.get(), 3'000'000), 0);
  const auto reader = make_overlay_diff_reader(upper(), stack_.view(), stack_.context());
  for (const LayerItem& item : read_items(*reader)) {
    if (item.entry.path != RelPath::parse("f")) continue;
    EXPECT_TRUE(item.contents == wanted);
  }
}

TEST_F(HostileUpperTest, ATerabyteOfHoleIsNotReadFromDisk) {
  ASSERT_EQ(::truncate(stack_.temp().path("upper/f").c_str(), off_t{1} << 40), 0);
  const auto reader = make_overlay_diff_reader(upper(), stack_.view(), stack_.context());
  while (reader->next()->path != RelPath::parse("f")) {
  }
  std::vector<std::byte> some(std::size_t{1} << 20, std::byte{1});
  EXPECT_EQ(reader->contents().read(some), some.size());
  EXPECT_EQ(some, std::vector<std::byte>(some.size()));
}

}  // namespace
}  // namespace layerkit::testing
