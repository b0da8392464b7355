#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>

#include "conformance.h"
#include "sample_layer.h"
#include "upper_mount.h"

namespace layerkit::testing {
namespace {

constexpr const char* kLikeDocker = ",index=off,redirect_dir=off,metacopy=off";

std::string tar_of(const LayerItems& items, const TarWriterOptions& options = {}) {
  std::vector<TarItem> members;
  for (const LayerItem& item : items)
    members.push_back({item.entry, item.contents});
  return write_tar(members, options);
}

/// Applies what was changed in the mount as the tar it is committed to; must show what the mount
/// showed.
void expect_round_trip(LayerStack& stack, UpperMount& mount) {
  mount.remount();
  const TreeDump wanted = without_links(mount.shown());
  mount.unmount();
  LayerItems items;
  for (TarItem& item : read_tar(tar_of(committed(mount, stack))))
    items.push_back({std::move(item.entry), std::move(item.contents)});
  stack.apply(items);
  expect_same_tree(without_links(stack.shown()), wanted, "layer against the mount");
}

const std::string kBase = tar_dir("d", "0000700") + tar_file("d/a", "a") + tar_file("d/b", "b") +
                          tar_dir("e") + tar_file("e/x", "x") + tar_dir("empty") +
                          tar_file("one", "shared") + tar_link("two", "one");

/// What a mount's upper directory becomes. Upper directories are written by the kernel's overlay.
class ConformanceOfCreation : public Conformance {};

TEST_P(ConformanceOfCreation, X01_WhiteoutsAreEmptyFilesOfNobodyAndNeverLinks) {
  run([](LayerStack& stack) {
    apply_tar(stack, kBase);
    UpperMount mount(stack);
    unlink_at(mount.fd(), "d/a");
    unlink_at(mount.fd(), "d/b");
    unlink_at(mount.fd(), "one");
    mount.unmount();
    const LayerItems items = committed(mount, stack);
    EXPECT_EQ(outline(items), (Lines{"/", "hide /one", "/d", "hide /d/a", "hide /d/b"}));
    std::size_t whiteouts = 0;
    for (const TarItem& item : read_tar(tar_of(items), TarDialect::Literal)) {
      if (!item.entry.path.name().starts_with(".wh.")) continue;
      ++whiteouts;
      EXPECT_EQ(describe(item.entry, item.contents), "file 0000 0:0 0.000000000 ''");
      EXPECT_FALSE(item.entry.hard_link_target);
    }
    EXPECT_EQ(whiteouts, 3U);
  });
}

TEST_P(ConformanceOfCreation, X01_XattrWhiteoutsAreWhiteouts) {
  run([](LayerStack& stack) {
    apply_tar(stack, kBase);
    make_dir_at(stack.temp().fd(), "upper", 0755);
    const Fd upper = open_dir_at(stack.temp().fd(), "upper");
    make_dir_at(upper.get(), "d", 0700);
    for (const char* name : {"d/a", "d/plain", "d/full"})
      write_file_at(upper.get(), name, name == std::string("d/full") ? "x" : "", 0644);
    const std::string prefix(overlay_xattr_prefix(stack.space()));
    set_xattr_at(upper.get(), "d/a", prefix + "whiteout", "y");
    set_xattr_at(upper.get(), "d/full", prefix + "whiteout", "y");
    const auto read = [&] {
      return outline(read_items(*make_overlay_diff_reader(
          open_dir_at(stack.temp().fd(), "upper"), stack.view(), stack.context(), stack.space())));
    };
    // Only where the directory says that it holds such whiteouts.
    EXPECT_EQ(read(), (Lines{"/", "/d", "/d/a", "/d/full", "/d/plain"}));
    set_xattr_at(upper.get(), "d", prefix + "opaque", "x");
    EXPECT_EQ(read(), (Lines{"/", "/d", "hide /d/a", "/d/full", "/d/plain"}));
  });
}

TEST_P(ConformanceOfCreation, X02_OpaqueOnlyWhereTheLowerDirectoryHasContent) {
  run([](LayerStack& stack) {
    apply_tar(stack, kBase);
    UpperMount mount(stack);
    remove_tree_at(mount.fd(), "e");
    make_dir_at(mount.fd(), "e", 0755);
    unlink_at(mount.fd(), "empty", AT_REMOVEDIR);
    make_dir_at(mount.fd(), "empty", 0755);
    make_dir_at(mount.fd(), "new", 0755);
    mount.unmount();
    const Lines lines = outline(committed(mount, stack));
    EXPECT_EQ(lines, (Lines{"/", "/e", "opaque /e", "/empty", "/new"}));
  });
}

TEST_P(ConformanceOfCreation, X03_RedirectsAndMetacopiesAreExpanded) {
  if (!as_root()) GTEST_SKIP() << "redirect_dir and metacopy need a mount without userxattr";
  run([](LayerStack& stack) {
    apply_tar(stack, kBase);
    UpperMount mount(stack, ",redirect_dir=on,metacopy=on,index=on");
    rename_at(mount.fd(), "d", mount.fd(), "e/moved");
    EXPECT_EQ(::fchmodat(mount.fd(), "e/moved/a", 0600, 0), 0);
    unlink_at(mount.fd(), "e/moved/b");
    rename_at(mount.fd(), "e", mount.fd(), "empty");
    EXPECT_EQ(::fchmodat(mount.fd(), "empty/x", 0600, 0), 0);
    expect_round_trip(stack, mount);
  });
}

TEST_P(ConformanceOfCreation, X04_OverlaysOwnXattrsAreDroppedAndEscapedOnesShown) {
  run([](LayerStack& stack) {
    apply_tar(stack, kBase);
    make_dir_at(stack.temp().fd(), "upper", 0755);
    const Fd upper = open_dir_at(stack.temp().fd(), "upper");
    write_file_at(upper.get(), "f", "x", 0644);
    const std::string prefix(overlay_xattr_prefix(stack.space()));
    for (const char* name : {"origin", "impure", "nlink", "uuid", "upper", "protattr", "new"})
      set_xattr_at(upper.get(), "f", prefix + name, "private");
    set_xattr_at(upper.get(), "f", prefix + "overlay.opaque", "shown");
    const auto items = read_items(*make_overlay_diff_reader(
        open_dir_at(stack.temp().fd(), "upper"), stack.view(), stack.context(), stack.space()));
    ASSERT_EQ(outline(items), (Lines{"/", "/f"}));
    EXPECT_EQ(items[1].entry.xattrs, (Xattrs{{prefix + "opaque", "shown"}}));
  });
}

TEST_P(ConformanceOfCreation, X05_LinksOfTheUpperLayerAreLinksAndTornOnesFiles) {
  run([](LayerStack& stack) {
    apply_tar(stack, kBase);
    UpperMount mount(stack, kLikeDocker);
    write_file_at(mount.fd(), "two", "changed", 0);
    write_file_at(mount.fd(), "z", "new", 0644);
    EXPECT_EQ(::linkat(mount.fd(), "z", mount.fd(), "e/y", 0), 0);
    mount.unmount();
    EXPECT_EQ(outline(committed(mount, stack)),
              (Lines{"/", "/e", "/e/y", "/two", "link /z = /e/y"}));
    expect_round_trip(stack, mount);
  });
}

TEST_P(ConformanceOfCreation, X06_UnchangedCopyUpsGoWhenAskedAndParentsAreTrue) {
  run([](LayerStack& stack) {
    apply_tar(stack, kBase);
    UpperMount mount(stack, kLikeDocker);
    { const Fd touched = open_at(mount.fd(), "d/a", O_WRONLY); }
    { const Fd touched = open_at(mount.fd(), "e/x", O_WRONLY); }
    write_file_at(mount.fd(), "d/b", "changed", 0);
    mount.unmount();
    const LayerItems all = committed(mount, stack);
    EXPECT_EQ(outline(all), (Lines{"/", "/d", "/d/a", "/d/b", "/e", "/e/x"}));
    EXPECT_EQ(describe(all[1].entry, ""), "dir 0700 0:0 0.000000000");
    EXPECT_EQ(outline(committed(mount, stack, {.unchanged = Unchanged::Drop})),
              (Lines{"/", "/d", "/d/b"}));
  });
}

TEST_P(ConformanceOfCreation, X07_NamesThatNoLayerCanHoldAreRefusedByPath) {
  run([](LayerStack& stack) {
    apply_tar(stack, kBase);
    UpperMount mount(stack);
    write_file_at(mount.fd(), "e/.wh.x", "", 0644);
    mount.unmount();
    expect_error(Errc::Invalid,
                 "reading '/e/.wh.x': names starting with '.wh.' cannot be stored in a layer",
                 [&] { committed(mount, stack); });
    EXPECT_EQ(outline(committed(mount, stack, {.reserved_names = ReservedNames::DropWithWarning})),
              (Lines{"/", "/e"}));
  });
}

TEST_P(ConformanceOfCreation, X08_NothingOfAFileIsLostAndNothingOfTheHostIsAdded) {
  run([this](LayerStack& stack) {
    apply_tar(stack, kBase);
    UpperMount mount(stack, kLikeDocker);
    write_file_at(mount.fd(), "f", "data", 0644);
    const Fd file = open_at(mount.fd(), "f", O_RDWR);
    const std::string acl(
        "\2\0\0\0\1\0\6\0\xff\xff\xff\xff\2\0\4\0\0\0\0\0\4\0\4\0\xff\xff\xff\xff"
        "\x10\0\4\0\xff\xff\xff\xff \0\0\0\xff\xff\xff\xff",
        44);
    set_xattr_at(mount.fd(), "f", "system.posix_acl_access", acl);
    set_xattr_at(mount.fd(), "f", "user.empty", "");
    if (as_root()) set_xattr_at(mount.fd(), "f", "trusted.mine", "t");
    const timespec times[2] = {{1, 2}, {1'600'000'000, 987'654'321}};
    ASSERT_EQ(::futimens(file.get(), times), 0);
    ASSERT_EQ(::mknodat(mount.fd(), "socket", S_IFSOCK | 0600, 0), 0);
    mount.unmount();
    const LayerItems items = committed(mount, stack);
    ASSERT_EQ(outline(items), (Lines{"/", "/f"}));
    Xattrs wanted = {{"system.posix_acl_access", acl}, {"user.empty", ""}};
    if (as_root()) wanted["trusted.mine"] = "t";
    EXPECT_EQ(items[1].entry.xattrs, wanted);
    EXPECT_EQ(items[1].entry.mtime, (Timestamp{1'600'000'000, 987'654'321}));
    EXPECT_EQ(stack.warnings(), Lines{"leaving out 'socket': a layer cannot hold a socket"});

    const std::string tar = tar_of(items);
    EXPECT_EQ(tar.find("atime"), std::string::npos);
    EXPECT_EQ(tar.find("ctime"), std::string::npos);
    EXPECT_EQ(tar.find("LIBARCHIVE"), std::string::npos);
    // uname, gname of the root's header, which is the first (with or without PAX records).
    EXPECT_EQ(tar.substr(265, 64), std::string(64, '\0'));
    EXPECT_EQ(read_tar(tar).size(), items.size());
    EXPECT_EQ(read_tar(tar)[1].entry, items[1].entry);
  });
}

TEST_P(ConformanceOfCreation, X08_SparseFilesAreReadWithoutTheirHoles) {
  run([](LayerStack& stack) {
    apply_tar(stack, kBase);
    UpperMount mount(stack, kLikeDocker);
    write_file_at(mount.fd(), "s", "head", 0644);
    ASSERT_EQ(::truncate(mount.path("s").c_str(), off_t{1} << 42), 0);
    mount.unmount();
    // Four terabytes: reading them from the file would not end. A reader hands over zeros at once.
    const auto reader =
        make_overlay_diff_reader(mount.upper(), stack.view(), stack.context(), stack.space());
    std::optional<Entry> entry = reader->next();
    while (entry && entry->path != RelPath::parse("s"))
      entry = reader->next();
    ASSERT_TRUE(entry);
    EXPECT_EQ(entry->size, std::uint64_t{1} << 42);
    std::vector<std::byte> some(std::size_t{8} << 20);
    EXPECT_GE(reader->contents().read(some), 4U);
    EXPECT_EQ(reader->contents().read(some), some.size());
    EXPECT_TRUE(
        std::all_of(some.begin(), some.end(), [](std::byte b) { return b == std::byte{0}; }));
  });
}

TEST_P(ConformanceOfCreation, X09_TimesAreClampedToSourceDateEpochAndBytesAreTheSame) {
  run([](LayerStack& stack) {
    apply_tar(stack, kBase);
    UpperMount mount(stack, kLikeDocker);
    write_file_at(mount.fd(), "new", "x", 0644);
    write_file_at(mount.fd(), "d/a", "x", 0);
    mount.unmount();
    const TarWriterOptions clamped{.clamp_mtime = 1'000'000'000};
    const std::string tar = tar_of(committed(mount, stack), clamped);
    EXPECT_EQ(tar, tar_of(committed(mount, stack), clamped));
    for (const TarItem& item : read_tar(tar)) {
      EXPECT_LE(item.entry.mtime, (Timestamp{1'000'000'000, 0})) << item.entry.path.str();
    }
  });
}

TEST_P(ConformanceOfCreation, X11_AFileThatChangesItsSizeMeanwhileIsAnErrorThatNamesIt) {
  run([](LayerStack& stack) {
    apply_tar(stack, kBase);
    UpperMount mount(stack, kLikeDocker);
    for (const off_t size : {off_t{10}, off_t{1'000'000}}) {
      write_file_at(mount.fd(), "f", std::string(100'000, 'x'), 0644);
      const auto reader =
          make_overlay_diff_reader(mount.upper(), stack.view(), stack.context(), stack.space());
      std::string tar;
      MemorySink sink(tar);
      const auto writer = make_tar_writer(sink);
      expect_error(Errc::Integrity, "reading '/f': it", [&] {
        while (const auto entry = reader->next()) {
          if (entry->path == RelPath::parse("f")) {
            ASSERT_EQ(::truncate(mount.path("f").c_str(), size), 0);
          }
          writer->add(*entry, reader->contents());
        }
      });
    }
  });
}

/// Reading a mount as a base layer makes one layer of a stack.
TEST_P(ConformanceOfCreation, R03_AFlattenedStackShowsWhatTheStackShowed) {
  run([](LayerStack& stack) {
    const std::string opaque = tar_dir("o", "0000710") + tar_file("o/.wh..wh..opq");
    apply_tar(stack, kBase + tar_link("three", "one") + tar_dir("o") + tar_file("o/1"));
    apply_tar(stack, opaque + tar_file("o/2") + tar_file("one", "replaced") + tar_file("e/.wh.x"));
    apply_tar(stack, opaque + tar_symlink("o/3", "../one") +
                         with_pax(pax_record("mtime", "1600000000.123456789") +
                                      pax_record("SCHILY.xattr.user.k", "v"),
                                  tar_file("o/4", "four")));
    UpperMount mount(stack);
    const TreeDump wanted = mount.shown();
    const LayerItems items = read_items(
        *make_diff_reader(open_dir_at(mount.fd(), "."), nullptr, stack.context(), stack.format()));
    mount.unmount();
    EXPECT_EQ(outline(items), (Lines{"/", "/d", "/d/a", "/d/b", "/e", "/empty", "/o", "/o/3",
                                     "/o/4", "/one", "/three", "link /two = /three"}));
    LayerStack flat(stack.format());
    apply_tar(flat, tar_of(items));
    expect_same_tree(flat.shown(), wanted, "one layer against the stack");
  });
}

INSTANTIATE_TEST_SUITE_P(Drivers,
                         ConformanceOfCreation,
                         ::testing::Values(kOverlay, kOverlayOfUser),
                         driver_name);

}  // namespace
}  // namespace layerkit::testing
