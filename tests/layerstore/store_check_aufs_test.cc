#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "store_check_fixture.h"

namespace layerkit::testing {
namespace {

using Lines = std::vector<std::string>;

/// What only the layout of AUFS can suffer.
class AufsCheckTest : public StoreCheckFixture {
 protected:
  StoreDriver driver() const override { return StoreDriver::Aufs; }

  /// As if a process had died while it moved a layer: this part is on its way with the records.
  void half_move(const std::string& name, const std::string& part) const {
    rename_at(AT_FDCWD, path("aufs/records/" + name), AT_FDCWD, path("aufs/moving/" + name));
    rename_at(AT_FDCWD, path("aufs/" + part + "/" + name), AT_FDCWD,
              path("aufs/moving/" + name + "/" + part));
  }
  FileLock moving_lock() const {
    return {open_dir_at(AT_FDCWD, path("aufs/moving")).get(), ".lock", LockKind::Exclusive};
  }
};

TEST_F(AufsCheckTest, ParentsAreAllWrittenAgainFromTheRecords) {
  const Lines names = names_in("aufs/layers");
  std::vector<std::string> texts;
  for (const std::string& name : names)
    texts.push_back(read(path("aufs/layers/" + name)));
  remove("aufs/layers");
  remove("aufs/mnt");
  EXPECT_EQ(quick(), (Lines{"directory-missing aufs/layers", "directory-missing aufs/mnt"}));
  mend();
  expect_healthy();
  ASSERT_EQ(names_in("aufs/layers"), names);
  for (std::size_t i = 0; i < names.size(); ++i)
    EXPECT_EQ(read(path("aufs/layers/" + names[i])), texts[i]) << names[i];
  EXPECT_EQ(read(path("aufs/layers/" + opaque_->hex())), "") << "its root hides what is below";
  EXPECT_EQ(read(path("aufs/layers/" + above_->hex())), opaque_->hex() + "\n");
  EXPECT_EQ(names_in("aufs/mnt"), names);
}

TEST_F(AufsCheckTest, SymlinksInThePlaceOfWhatNobodyCanMakeAgainAreLeftForSomebodyToDecide) {
  for (const char* name : {"aufs/records", "aufs/diff"}) {
    const std::string away = temp_.path("elsewhere");
    rename_at(AT_FDCWD, path(name), AT_FDCWD, away);
    make_symlink_at(away, AT_FDCWD, path(name));
    const Lines wanted{std::string("wrong-type ") + name};
    EXPECT_EQ(quick(), wanted);
    mend();
    EXPECT_EQ(quick(), wanted);
    EXPECT_EQ(read_link_at(AT_FDCWD, path(name)), away);
    unlink_at(AT_FDCWD, path(name));
    rename_at(AT_FDCWD, away, AT_FDCWD, path(name));
    expect_healthy();
  }
}

TEST_F(AufsCheckTest, LayersWhoseRecordsAreAllGoneAreKeptAside) {
  remove("aufs/records");
  mend();
  EXPECT_EQ(quick().size(), 4U) << "each layer that an image needs is missing";
  EXPECT_EQ(names_in("aufs/diff"), Lines{});
  EXPECT_EQ(names_in("aufs/layers"), Lines{});
  EXPECT_EQ(names_in("aufs/mnt"), Lines{});
  const Lines aside = names_in("damaged");
  EXPECT_EQ(aside.size(), 6U);
  bool is_there = false;
  for (const std::string& name : aside) {
    if (name.starts_with(top_->hex()))
      is_there = read(path("damaged/" + name + "/cache/new")) == "new";
  }
  EXPECT_TRUE(is_there);
}

TEST_F(AufsCheckTest, WhatTheDeadWereMovingIsRemovedWithAllItsParts) {
  for (const char* part : {"diff", "layers", "mnt"}) {
    const ChainId chain = import(TarText().file("extra", part).end(), base_).chain;
    half_move(chain.hex(), part);
    EXPECT_EQ(quick(), Lines{"moving-leftover aufs/moving/" + chain.hex()}) << part;
    mend();
    expect_healthy();
    EXPECT_EQ(names_in("aufs/moving"), Lines{".lock"});
    EXPECT_EQ(names_in("staging"), Lines{});
  }
  EXPECT_FALSE(stat_at(AT_FDCWD, path("damaged")));
}

TEST_F(AufsCheckTest, WhatTheLivingAreMovingIsNoFinding) {
  references_.known = StoreReferences::Known::Some;
  const ChainId chain = import(TarText().file("extra", "x").end(), base_).chain;
  half_move(chain.hex(), "layers");
  {
    const FileLock moving = moving_lock();
    EXPECT_EQ(quick(), Lines{});
    EXPECT_EQ(deep(), Lines{});
  }
  EXPECT_EQ(quick(), Lines{"moving-leftover aufs/moving/" + chain.hex()});
}

TEST_F(AufsCheckTest, AMoveOfALayerThatIsInPlaceIsPutAsideAndTheLayerStays) {
  make_dirs(path("aufs/moving/" + base_->hex() + "/diff"), 0710);
  EXPECT_EQ(quick(), Lines{"unexpected-name aufs/moving/" + base_->hex()});
  {
    const FileLock lock = store_->lock(LockKind::Exclusive);
    store_->remove_unreferenced({*base_, *top_, *opaque_, *above_});
  }
  expect_healthy();
  make_dirs(path("aufs/moving/" + base_->hex() + "/diff"), 0710);
  mend();
  expect_healthy();
  EXPECT_EQ(names_in("damaged").size(), 1U);
}

TEST_F(AufsCheckTest, PartsThatSaySomethingAreKeptAndEmptyOnesRemoved) {
  make_dirs(path("aufs/diff/stray/precious"), 0755);
  write(path("aufs/layers/stray"), "one\ntwo\n");
  make_dirs(path("aufs/mnt/stray"), 0755);
  EXPECT_EQ(quick(),
            (Lines{"part-without-record aufs/diff/stray", "part-without-record aufs/layers/stray",
                   "part-without-record aufs/mnt/stray"}));
  mend();
  expect_healthy();
  Lines aside = names_in("damaged");
  ASSERT_EQ(aside.size(), 1U);
  EXPECT_EQ(names_in("damaged/" + aside[0]), Lines{"precious"});

  write(path("aufs/layers/stray"), "no newline");
  make_dirs(path("aufs/mnt/stray/precious"), 0755);
  mend();
  expect_healthy();
  EXPECT_EQ(names_in("damaged").size(), 3U);
}

TEST_F(AufsCheckTest, ADirectoryThatIsPutAsideTakesItsPartsAlong) {
  remove("aufs/records/c1/container");
  write(path("aufs/diff/c1/work-of-a-day"), "precious");
  const Lines found = quick();
  EXPECT_EQ(std::count(found.begin(), found.end(), "directory-without-record aufs/records/c1"), 1);
  mend();
  expect_healthy();
  const Lines aside = names_in("damaged");
  ASSERT_EQ(aside.size(), 1U);
  EXPECT_EQ(names_in("damaged/" + aside[0]), (Lines{"diff", "layers", "mnt"}));
  EXPECT_EQ(read(path("damaged/" + aside[0] + "/diff/work-of-a-day")), "precious");
}

TEST_F(AufsCheckTest, WhereSomethingIsMountedNothingIsChanged) {
  const std::string mount_point = path("aufs/mnt/c1");
  if (::mount("none", mount_point.c_str(), "tmpfs", 0, "mode=0700") != 0) {
    GTEST_SKIP() << "cannot mount";
  }
  EXPECT_EQ(quick(), Lines{}) << "its mode is that of the mounted root";
  references_.containers = std::vector<std::string>{};
  mend();
  EXPECT_EQ(quick(), Lines{"container-without-record aufs/records/c1"});
  remove("aufs/records/c1");
  mend();
  const Lines left = quick();
  EXPECT_EQ(left, Lines{"part-without-record aufs/mnt/c1"});
  EXPECT_EQ(::umount2(mount_point.c_str(), MNT_DETACH), 0);
  mend();
  expect_healthy();
}

TEST_F(AufsCheckTest, AWhiteoutIsOneWhateverItsAttributes) {
  const std::string whiteout = layer_path(*top_, "diff/etc/.wh.gone");
  const auto directory = layer_path(*top_, "diff/etc");
  const auto stat = stat_at(AT_FDCWD, directory);
  write_file_at(AT_FDCWD, whiteout, "text", 0644);
  ASSERT_EQ(::chmod(whiteout.c_str(), 0600), 0);
  EXPECT_EQ(deep(), Lines{});
  unlink_at(AT_FDCWD, whiteout);
  make_dirs(whiteout, 0755);
  const timespec times[] = {{0, UTIME_OMIT}, {stat->mtime.seconds, stat->mtime.nanoseconds}};
  ASSERT_EQ(::utimensat(AT_FDCWD, directory.c_str(), times, 0), 0);
  EXPECT_EQ(deep(), Lines{"layer-object-changed " + object(*top_, "diff/etc/.wh.gone")});
  rebuild(*top_);
  expect_healthy();
}

}  // namespace
}  // namespace layerkit::testing
