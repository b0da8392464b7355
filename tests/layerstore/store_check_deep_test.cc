#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "store_check_fixture.h"

namespace layerkit::testing {
namespace {

using Lines = std::vector<std::string>;

class StoreDeepCheckTest : public StoreCheckTest {
 protected:
  std::string in_base(const std::string& below) const {
    return layer_path(*base_, "diff/" + below);
  }
  std::string in_top(const std::string& below) const { return layer_path(*top_, "diff/" + below); }
  std::string line(const std::string& kind, const ChainId& chain, const std::string& below) const {
    return kind + " " + object(chain, "diff/" + below);
  }

  /// Changes a file's contents and nothing that stat(2) would show.
  static void change_quietly(const std::string& file,
                             std::uint64_t offset,
                             const std::string& text) {
    const auto stat = stat_at(AT_FDCWD, file);
    const Fd fd = open_at(AT_FDCWD, file, O_WRONLY | O_NOFOLLOW);
    ASSERT_EQ(::pwrite(fd.get(), text.data(), text.size(), static_cast<off_t>(offset)),
              static_cast<ssize_t>(text.size()));
    set_time(file, stat->mtime);
  }
  static void set_time(const std::string& file, Timestamp time) {
    const timespec times[] = {{0, UTIME_OMIT}, {time.seconds, time.nanoseconds}};
    ASSERT_EQ(::utimensat(AT_FDCWD, file.c_str(), times, AT_SYMLINK_NOFOLLOW), 0);
  }
  /// Does something in a directory and puts its time back.
  template <typename Work>
  static void in_directory(const std::string& directory, const Work& work) {
    const auto stat = stat_at(AT_FDCWD, directory);
    work();
    set_time(directory, stat->mtime);
  }

  /// Finds exactly this, which an archive only can mend.
  void expect_lost(const Lines& wanted, const ChainId& chain) {
    EXPECT_EQ(quick(), Lines{});
    const auto findings = inspection()->deep(Context{});
    EXPECT_EQ(lines(findings), wanted);
    for (const Finding& finding : findings) {
      EXPECT_EQ(finding.mend, Mend::Archive) << finding.detail;
      EXPECT_EQ(finding.layer, chain);
    }
    EXPECT_THROW(rebuild(chain), Error);
    EXPECT_EQ(deep(), wanted) << "an attempt changed something";
  }
  /// Finds exactly this, and mends it from what the store has.
  void expect_mended(const Lines& wanted, const ChainId& chain) {
    EXPECT_EQ(quick(), Lines{});
    const auto findings = inspection()->deep(Context{});
    EXPECT_EQ(lines(findings), wanted);
    for (const Finding& finding : findings)
      EXPECT_EQ(finding.mend, Mend::Repair) << finding.detail;
    rebuild(chain);
    expect_healthy();
    EXPECT_EQ(names_in("staging"), Lines{});
  }
};

TEST_P(StoreDeepCheckTest, ChangedContentsAreFoundAndNamed) {
  change_quietly(in_base("etc/passwd"), 0, "toor");
  expect_lost({line("layer-file-changed", *base_, "etc/passwd")}, *base_);
}

TEST_P(StoreDeepCheckTest, EveryChangedFileIsFoundNotOnlyTheFirst) {
  change_quietly(in_base("bin"), 0, "X");
  change_quietly(in_base("cache/old"), 0, "X");
  in_directory(in_base(""), [&] { remove(object(*base_, "diff/twice")); });
  change_quietly(in_top("cache/new"), 0, "X");
  Lines wanted{
      line("layer-file-changed", *base_, "bin"), line("layer-file-changed", *base_, "cache/old"),
      line("layer-file-changed", *base_, "twice"), line("layer-file-changed", *top_, "cache/new")};
  std::sort(wanted.begin(), wanted.end());
  EXPECT_EQ(deep(), wanted);
}

TEST_P(StoreDeepCheckTest, AFileInTheWayOfAFifoASymlinkOrADirectoryIsNotOpened) {
  for (const char* kind : {"fifo", "symlink", "directory"}) {
    in_directory(in_base("etc"), [&] {
      remove(object(*base_, "diff/etc/gone"));
      if (kind[0] == 'f') {
        ASSERT_EQ(::mkfifo(in_base("etc/gone").c_str(), 0644), 0);
      }
      if (kind[0] == 's') make_symlink_at("/dev/zero", AT_FDCWD, in_base("etc/gone"));
      if (kind[0] == 'd') make_dirs(in_base("etc/gone"), 0755);
    });
    EXPECT_EQ(deep(), Lines{line("layer-file-changed", *base_, "etc/gone")}) << kind;
  }
}

TEST_P(StoreDeepCheckTest, DataInAHoleIsFound) {
  change_quietly(in_base("sparse"), 512 << 10, "hidden");
  expect_mended({line("layer-file-changed", *base_, "sparse")}, *base_);
}

TEST_P(StoreDeepCheckTest, DataInAFileThatIsOneHoleIsFound) {
  change_quietly(in_base("hole"), 512 << 10, "hidden");
  expect_mended({line("layer-file-changed", *base_, "hole")}, *base_);
}

TEST_P(StoreDeepCheckTest, ACopiedUpFileIsComparedWithTheOneBelow) {
  change_quietly(in_top("bin"), 0, "X");
  expect_mended(
      {line("layer-file-changed", *top_, "bin"), line("layer-file-changed", *top_, "usr/bin/tool")},
      *top_);
}

TEST_P(StoreDeepCheckTest, ModesOwnersTimesAndXattrsAreCompared) {
  chmod(object(*base_, "diff/etc"), 0777);
  ASSERT_EQ(::lchown(in_base("etc/mtab").c_str(), 7, 7), 0);
  set_time(in_base("etc/empty"), {5, 0});
  ASSERT_EQ(::setxattr(in_base("cache").c_str(), "trusted.strange", "x", 1, 0), 0);
  ASSERT_EQ(::setxattr(in_base("bin").c_str(), "security.capability",
                       "\1\0\0\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20, 0),
            0);
  Lines wanted;
  for (const char* name : {"bin", "cache", "etc", "etc/empty", "etc/mtab"})
    wanted.push_back(line("layer-object-changed", *base_, name));
  expect_mended(wanted, *base_);
}

TEST_P(StoreDeepCheckTest, TheRootOfALayerIsCompared) {
  chmod(object(*base_, "diff"), 0700);
  expect_mended({line("layer-object-changed", *base_, "")}, *base_);
}

TEST_P(StoreDeepCheckTest, ObjectsTooManyAndTooFewAreFound) {
  in_directory(in_base("etc"), [&] {
    write(in_base("etc/planted"), "x");
    remove(object(*base_, "diff/etc/mtab"));
    remove(object(*base_, "diff/etc/empty"));
  });
  in_directory(in_base(""), [&] { make_dirs(in_base("planted/with/children"), 0755); });
  expect_mended({line("layer-object-extra", *base_, "etc/planted"),
                 line("layer-object-extra", *base_, "planted"),
                 line("layer-object-missing", *base_, "etc/empty"),
                 line("layer-object-missing", *base_, "etc/mtab")},
                *base_);
}

TEST_P(StoreDeepCheckTest, WhiteoutsAndOpaqueMarksAreCompared) {
  const bool is_aufs = driver() == StoreDriver::Aufs;
  const std::string gone = is_aufs ? "etc/.wh.gone" : "etc/gone";
  const std::string hidden = is_aufs ? "usr/.wh.hidden" : "usr/hidden";
  in_directory(in_top("etc"), [&] { remove(object(*top_, "diff/" + gone)); });
  in_directory(in_top("cache"), [&] {
    if (is_aufs) return remove(object(*top_, "diff/cache/.wh..wh..opq"));
    ASSERT_EQ(::removexattr(in_top("cache").c_str(), "trusted.overlay.opaque"), 0);
  });
  in_directory(in_top("usr"), [&] {
    if (is_aufs) return write(in_top(hidden), "");
    ASSERT_EQ(::mknod(in_top(hidden).c_str(), S_IFCHR, 0), 0);
  });
  Lines wanted{is_aufs ? line("layer-object-missing", *top_, "cache/.wh..wh..opq")
                       : line("layer-object-changed", *top_, "cache"),
               line("layer-object-extra", *top_, hidden),
               line("layer-object-missing", *top_, gone)};
  std::sort(wanted.begin(), wanted.end());
  expect_mended(wanted, *top_);
}

TEST_P(StoreDeepCheckTest, AHardLinkThatWasBrokenIsFound) {
  const auto stat = stat_at(AT_FDCWD, in_base("etc/passwd-"));
  const std::string text = read(in_base("etc/passwd"));
  in_directory(in_base("etc"), [&] {
    remove(object(*base_, "diff/etc/passwd-"));
    write(in_base("etc/passwd-"), text);
    set_time(in_base("etc/passwd-"), stat->mtime);
  });
  expect_mended({line("layer-object-changed", *base_, "etc/passwd-")}, *base_);
}

TEST_P(StoreDeepCheckTest, AHardLinkThatShouldBeNoneIsFound) {
  in_directory(in_base("etc"), [&] {
    remove(object(*base_, "diff/etc/empty2"));
    ASSERT_EQ(::link(in_base("etc/empty").c_str(), in_base("etc/empty2").c_str()), 0);
  });
  expect_mended({line("layer-object-changed", *base_, "etc/empty2")}, *base_);
}

TEST_P(StoreDeepCheckTest, DamageBelowIsNotTakenForDamageAbove) {
  // Directories of the layer above that no entry names have the attributes of the one below.
  const auto child = import(TarText().file("etc/more", "x").end(), base_).chain;
  references_.stacks.push_back({"image three", {*base_, child}});
  remove(object(*base_, "index"));
  chmod(object(*base_, "diff/etc"), 0700);
  EXPECT_EQ(deep(), Lines{line("layer-object-changed", *base_, "etc")});
  write_file_at(AT_FDCWD, layer_path(child, "diff/etc/more"), "y", 0644);
  Lines wanted{line("layer-object-changed", *base_, "etc"),
               line("layer-file-changed", child, "etc/more")};
  std::sort(wanted.begin(), wanted.end());
  EXPECT_EQ(deep(), wanted) << "contents above are still compared";
}

TEST_P(StoreDeepCheckTest, ALayerWithAnotherRecipeCannotBeRebuilt) {
  const auto other = import(TarText().file("last", "one", 0600).end());
  references_.stacks.push_back({"image three", {other.chain}});
  remove(object(*above_, "recipe"));
  write_file_at(AT_FDCWD, layer_path(*above_, "recipe"), read(layer_path(other.chain, "recipe")),
                0600);
  const auto findings = inspection()->deep(Context{});
  EXPECT_EQ(lines(findings), Lines{line("layer-object-changed", *above_, "last")});
  EXPECT_EQ(findings[0].mend, Mend::Archive);
  expect_error(Errc::Integrity, "the recipe is that of another layer", [&] { rebuild(*above_); });
}

TEST_P(StoreDeepCheckTest, AnIndexThatIsNotThatOfTheLayerIsFound) {
  const std::string other = read_file_at(AT_FDCWD, layer_path(*above_, "index"), 1 << 20);
  write_file_at(AT_FDCWD, layer_path(*base_, "index"), other, 0600);
  expect_mended({"index-damaged " + object(*base_, "index")}, *base_);
}

TEST_P(StoreDeepCheckTest, ADamagedPageOfAnIndexIsFound) {
  const Fd index = open_at(AT_FDCWD, layer_path(*base_, "index"), O_WRONLY);
  ASSERT_EQ(::pwrite(index.get(), "X", 1, 4096 + 100), 1);
  expect_mended({"index-damaged " + object(*base_, "index")}, *base_);
}

TEST_P(StoreDeepCheckTest, ReplacingALayerKeepsTheOldOneUntilTheNewOneIsThere) {
  const auto before = stat_at(AT_FDCWD, path(object(*base_, "")))->ino;
  const auto inspected = inspection();
  const FileLock lock = inspected->lock(LockKind::Exclusive);
  {
    const auto transaction = inspected->begin_replacing();
    const std::string tar = base_tar();
    MemorySource source(tar);
    EXPECT_EQ(transaction->add(std::nullopt, source, diff_id_of(tar), Context{}).chain, *base_);
    EXPECT_EQ(stat_at(AT_FDCWD, path(object(*base_, "")))->ino, before);
  }
  EXPECT_EQ(stat_at(AT_FDCWD, path(object(*base_, "")))->ino, before) << "without commit";
  EXPECT_EQ(names_in("staging"), Lines{});
  inspected->rebuild(*base_, Context{});
  EXPECT_NE(stat_at(AT_FDCWD, path(object(*base_, "")))->ino, before);
  EXPECT_EQ(names_in("staging"), Lines{});
  expect_healthy();
}

TEST_P(StoreDeepCheckTest, WorkInProgressIsNoFinding) {
  const FileLock shared = store_->lock(LockKind::Shared);
  const auto transaction = store_->begin();
  const std::string tar = TarText().file("new", "x").end();
  MemorySource source(tar);
  const LayerInfo info = transaction->add(base_, source, std::nullopt, Context{});
  const std::string link = path("overlay2/l/BBBBBBBBBBBBBBBBBBBBBBBBBB");
  const bool has_links = driver() == StoreDriver::Overlay2;
  if (has_links) make_symlink_at("../" + info.chain.hex() + "/diff", AT_FDCWD, link);
  references_.known = StoreReferences::Known::Some;
  EXPECT_FALSE(inspection()->try_lock());
  EXPECT_EQ(quick(), Lines{});
  EXPECT_EQ(deep(), Lines{});
  if (has_links) unlink_at(AT_FDCWD, link);
  transaction->commit();
  EXPECT_EQ(quick(), Lines{});
  EXPECT_EQ(deep(), Lines{});
}

LAYERKIT_EACH_DRIVER(StoreDeepCheckTest);

}  // namespace
}  // namespace layerkit::testing
