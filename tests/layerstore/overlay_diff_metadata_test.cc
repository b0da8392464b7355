#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <limits>

#include "expect_error.h"
#include "layer_stack.h"

namespace layerkit::testing {
namespace {

using Paths = std::vector<std::string>;

class OverlayDiffMetadataTest : public PrivateMountsTest {
 protected:
  LayerStack stack_;
};

TEST_F(OverlayDiffMetadataTest, SetuidModesOwnersAndNanosecondsAreExact) {
  const LayerItems items = {
      file("f", "x").mode(06755).owner(1000, 2000).mtime(1, 999'999'999),
      dir("d").mode(03777).owner(4'000'000'000U, 1).mtime(-5, 1),
      symlink("l", "to nowhere").owner(12, 13).mtime(4'000'000'000, 3),
      fifo("p").mode(0621).owner(1, 2),
      device(FileType::CharDevice, "c", 5, 1).mode(0666).owner(0, 5),
      device(FileType::BlockDevice, "b", 259, 70'000),
      file("none").mode(0),
  };
  stack_.apply(items);
  const TreeDump shown = stack_.shown();
  for (const LayerItem& made : items) {
    EXPECT_EQ(shown.at(made.entry.path.str()), describe(made.entry, made.contents));
  }
  EXPECT_TRUE(stack_.warnings().empty());
}

TEST_F(OverlayDiffMetadataTest, UmaskAndSetgidParentsChangeNothing) {
  const mode_t before = ::umask(0777);
  stack_.apply({dir("d").mode(02775).owner(0, 50), file("d/f").mode(0666), dir("d/s").mode(0777)});
  ::umask(before);
  const TreeDump shown = stack_.shown();
  EXPECT_TRUE(shown.at("d/f").starts_with("file 0666 0:0"));
  EXPECT_TRUE(shown.at("d/s").starts_with("dir 0777 0:0"));
}

TEST_F(OverlayDiffMetadataTest, DefaultAclIsKeptAndNotInheritedByTheLayersOwnFiles) {
  // POSIX_ACL_XATTR_VERSION 2; user::rwx, user:1000:rwx, group::r-x, mask::rwx, other::---
  const std::string acl(
      "\2\0\0\0\1\0\7\0\377\377\377\377\2\0\7\0\350\3\0\0\4\0\5\0\377\377\377\377"
      "\20\0\7\0\377\377\377\377\40\0\0\0\377\377\377\377",
      44);
  stack_.apply({dir("d").xattr("system.posix_acl_default", acl), file("d/f").mode(0604)});
  const auto view = stack_.view();
  EXPECT_EQ(view->lookup(RelPath::parse("d"))->xattrs.at("system.posix_acl_default"), acl);
  const auto inside = view->lookup(RelPath::parse("d/f"));
  EXPECT_EQ(inside->mode, 0604U);
  EXPECT_TRUE(inside->xattrs.empty());
}

TEST_F(OverlayDiffMetadataTest, DirectoryTimesSurviveWhateverHappensInThem) {
  stack_.apply({dir("a").mtime(11, 1), dir("a/b").mtime(22, 2), file("a/b/x"), file("a/y")});
  stack_.apply({dir("a").mtime(33, 3), dir("a/b").mtime(44, 4), whiteout("a/b/x"), file("a/z")});
  const TreeDump shown = stack_.shown();
  EXPECT_EQ(shown.at("a"), "dir 0755 0:0 33.000000003");
  EXPECT_EQ(shown.at("a/b"), "dir 0755 0:0 44.000000004");
}

TEST_F(OverlayDiffMetadataTest, CapabilitySurvivesAForeignOwner) {
  const std::string capability("\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
  stack_.apply(
      {file("ping", "elf").mode(0755).owner(9, 9).xattr("security.capability", capability)});
  EXPECT_EQ(stack_.view()->lookup(RelPath::parse("ping"))->xattrs.at("security.capability"),
            capability);
}

TEST_F(OverlayDiffMetadataTest, OverlayXattrsOfALayerArePlainDataInTheMount) {
  stack_.apply({dir("d"), file("d/secret", "visible"), file("other", "o")});
  stack_.apply({dir("d").xattr("trusted.overlay.opaque", "y").xattr("user.overlay.opaque", "y"),
                file("f", "own")
                    .xattr("trusted.overlay.redirect", "/other")
                    .xattr("trusted.overlay.metacopy", "")});
  const TreeDump shown = stack_.shown();
  EXPECT_TRUE(shown.contains("d/secret"));
  EXPECT_TRUE(shown.at("d").ends_with(" trusted.overlay.opaque='y' user.overlay.opaque='y'"));
  EXPECT_TRUE(
      shown.at("f").ends_with(" trusted.overlay.metacopy='' trusted.overlay.redirect='/other'"));
}

TEST_F(OverlayDiffMetadataTest, UserXattrsThatCannotBeAreLeftOutWithOneWarning) {
  stack_.apply({symlink("l", "x").xattr("user.a", "1").xattr("trusted.b", "2"),
                fifo("p").xattr("user.a", "1")});
  const TreeDump shown = stack_.shown();
  EXPECT_TRUE(shown.at("l").ends_with("'x' trusted.b='2'"));
  EXPECT_EQ(stack_.warnings(),
            Paths{"user extended attributes that the file system cannot store were dropped: "
                  "2 times, first 'user.a of l'"});
}

TEST_F(OverlayDiffMetadataTest, OtherXattrsThatCannotBeAreErrors) {
  expect_error(Errc::Io, "setting extended attribute 'security.capability'", [this] {
    stack_.apply({file("f").xattr("security.capability", "not a capability")});
  });
  expect_error(Errc::Io, "unpacking '/f': 'f': setting extended attribute 'nowhere.x' of 'f'",
               [this] { stack_.apply({file("f").xattr("nowhere.x", "1")}); });
}

TEST_F(OverlayDiffMetadataTest, TimesBeyondTheFileSystemAreReported) {
  const Timestamp far{std::numeric_limits<std::int64_t>::max() / 2, 0};
  stack_.apply({file("f").mtime(far.seconds)});
  if (stack_.view()->lookup(RelPath::parse("f"))->mtime == far) {
    GTEST_SKIP() << "the file system of TMPDIR holds every time";
  }
  ASSERT_EQ(stack_.warnings().size(), 1U);
  EXPECT_EQ(stack_.warnings()[0], "times beyond the range of the file system were changed: 'f'");
}

TEST_F(OverlayDiffMetadataTest, NobodyIsNoOwner) {
  expect_error(Errc::Invalid, "4294967295 is no user or group ID",
               [this] { stack_.apply({file("f").owner(0xffffffffU, 0)}); });
  expect_error(Errc::Invalid, "4294967295 is no user or group ID",
               [this] { stack_.apply({dir("d").owner(0, 0xffffffffU)}); });
}

TEST_F(OverlayDiffMetadataTest, WhiteoutDeviceOfALayerIsRefused) {
  expect_error(Errc::Invalid, "unpacking '/x': creating a device: 0:0 would be a whiteout",
               [this] { stack_.apply({device(FileType::CharDevice, "x", 0, 0)}); });
  stack_.apply({device(FileType::BlockDevice, "ok", 0, 0)});
}

TEST_F(OverlayDiffMetadataTest, SymlinkTargetMustBeATarget) {
  expect_error(Errc::Invalid, "its target is empty", [this] { stack_.apply({symlink("l", "")}); });
  expect_error(Errc::Invalid, "contains a NUL byte",
               [this] { stack_.apply({symlink("l", std::string("a\0b", 3))}); });
}

TEST_F(OverlayDiffMetadataTest, ZerosBecomeHolesAndContentsStay) {
  std::string contents(3'000'000, '\0');
  contents[0] = 'a';
  contents[1'234'567] = 'b';
  contents += "end";
  stack_.apply({file("mixed", contents), file("zeros", std::string(1'000'001, '\0')),
                file("short", std::string(3, '\0')), file("empty")});
  const TreeDump shown = stack_.shown();
  EXPECT_TRUE(shown.at("mixed").ends_with(describe_contents(contents)));
  EXPECT_TRUE(shown.at("zeros").ends_with(describe_contents(std::string(1'000'001, '\0'))));
  EXPECT_TRUE(shown.at("short").ends_with(describe_contents(std::string(3, '\0'))));
  const auto blocks = [this](const char* name) {
    return stat_at(AT_FDCWD, stack_.diff_path() + "/" + name)->blocks;
  };
  EXPECT_LE(blocks("mixed"), 64U);
  EXPECT_EQ(blocks("zeros"), 0U);
}

TEST_F(OverlayDiffMetadataTest, ContentsMustBeAsLongAsAnnounced) {
  LayerItem lying = file("f", "four");
  lying.entry.size = 5;
  expect_error(Errc::Integrity, "writing 'f': its contents are shorter than the 5 bytes announced",
               [&] { stack_.apply({lying}); });
  lying.entry.size = 3;
  expect_error(Errc::Integrity, "writing 'f': its contents are longer than the 3 bytes announced",
               [&] { stack_.apply({lying}); });
}

TEST_F(OverlayDiffMetadataTest, TellsWhereContentsWentAndHowMuch) {
  make_dir_at(stack_.temp().fd(), "diff", 0755);
  auto writer =
      make_overlay_diff_writer(open_dir_at(stack_.temp().fd(), "diff"), nullptr, stack_.context());
  MemorySource nothing("");
  MemorySource data("data");
  writer->add(dir("usr").entry, nothing);
  writer->add(symlink("lib", "usr").entry, nothing);
  EXPECT_FALSE(writer->last_file());
  writer->add(file("lib/f", "data").entry, data);
  EXPECT_EQ(writer->last_file()->str(), "usr/f");
  writer->add(link("g", "lib/f").entry, nothing);
  EXPECT_FALSE(writer->last_file());
  writer->finish();
  EXPECT_EQ(writer->content_bytes(), 4U);
  EXPECT_FALSE(writer->hides_everything_below());
}

}  // namespace
}  // namespace layerkit::testing
