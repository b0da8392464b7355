#include <fcntl.h>
#include <sys/mount.h>

#include <algorithm>
#include <set>

#include "store_fixture.h"

namespace layerkit::testing {
namespace {

using Names = std::vector<std::string>;

class StoreContainersTest : public StoreTest {
 protected:
  LayerInfo image() {
    return import(
        TarText().directory("./", 0751).directory("etc").file("etc/hosts", "image").end());
  }
  static void fill_init(int fd) {
    make_dir_at(fd, "etc", 0755);
    write_file_at(fd, "etc/hosts", "", 0644);
    write_file_at(fd, ".dockerenv", "", 0644);
    make_dir_at(fd, "dev", 0755);
  }
  /// "path" or "-path" for a whiteout.
  std::set<std::string> changes(const std::string& id) const {
    std::set<std::string> found;
    const auto reader = store_->container_diff(id, Context{});
    while (const auto entry = reader->next()) {
      found.insert((entry->is_whiteout() ? "-" : "") + entry->path.str());
    }
    return found;
  }
  void white_out(const std::string& file_path) {
    ASSERT_EQ(::mknod(file_path.c_str(), S_IFCHR, 0), 0);
  }
};

TEST_F(StoreContainersTest, LaysOutAContainerOnItsInitLayer) {
  const LayerInfo base = image();
  store_->create_container("c1", base.chain, fill_init);
  EXPECT_EQ(names_in("overlay2/c1-init"), (Names{"container", "diff", "link", "lower"}));
  EXPECT_EQ(names_in("overlay2/c1"),
            (Names{"container", "diff", "link", "lower", "merged", "work"}));
  for (const char* name : {"overlay2/c1", "overlay2/c1-init"})
    EXPECT_EQ(mode_of(name), 0710U);
  EXPECT_EQ(mode_of("overlay2/c1/work"), 0700U);
  EXPECT_EQ(mode_of("overlay2/c1/merged"), 0700U);
  EXPECT_EQ(mode_of("overlay2/c1/diff"), 0751U);
  EXPECT_EQ(mode_of("overlay2/c1-init/diff"), 0751U);
  const std::string image_link = "l/" + read(layer_path(base.chain, "link"));
  const std::string init_link = "l/" + read(path("overlay2/c1-init/link"));
  EXPECT_EQ(read(path("overlay2/c1-init/lower")), image_link);
  EXPECT_EQ(read(path("overlay2/c1/lower")), init_link + ":" + image_link);
  EXPECT_EQ(read_link_at(AT_FDCWD, path("overlay2/" + init_link)), "../c1-init/diff");
  EXPECT_EQ(read(path("overlay2/c1/container")),
            "layerkit-container 1\nrole container\nparent " + base.chain.str() + "\n");
  EXPECT_EQ(names_in("staging"), Names{});
}

TEST_F(StoreContainersTest, GivesTheDescriptorsOfAMount) {
  const LayerInfo base = image();
  store_->create_container("c1", base.chain, fill_init);
  const LayerMount mount = store_->mount_container("c1");
  ASSERT_EQ(mount.lower.size(), 2U);
  EXPECT_TRUE(stat_at(mount.lower[0].get(), ".dockerenv"));
  EXPECT_EQ(read_file_at(open_dir_at(mount.lower[1].get(), "etc").get(), "hosts", 100), "image");
  EXPECT_EQ(stat_fd(mount.upper.get()).ino, stat_at(AT_FDCWD, path("overlay2/c1/diff"))->ino);
  EXPECT_EQ(stat_fd(mount.work.get()).ino, stat_at(AT_FDCWD, path("overlay2/c1/work"))->ino);
  const LayerPaths paths = store_->container_paths("c1");
  EXPECT_EQ(paths.lower, (Names{path("overlay2/c1-init/diff"), layer_path(base.chain, "diff")}));
  EXPECT_EQ(paths.upper, path("overlay2/c1/diff"));
  EXPECT_EQ(paths.work, path("overlay2/c1/work"));
  EXPECT_EQ(paths.merged, path("overlay2/c1/merged"));
  EXPECT_EQ(store_->container_parent("c1"), base.chain);
}

TEST_F(StoreContainersTest, AnUntouchedContainerHasNoChanges) {
  store_->create_container("c1", image().chain, fill_init);
  const std::set<std::string> none = changes("c1");
  EXPECT_TRUE(none.empty() || none == std::set<std::string>{""}) << *none.begin();
}

TEST_F(StoreContainersTest, ShowsChangesOnTheImageButNotThoseOfTheInitLayer) {
  store_->create_container("c1", image().chain, fill_init);
  const std::string upper = path("overlay2/c1/diff");
  make_dirs(upper + "/etc", 0755);
  write(upper + "/etc/new", "mine");
  white_out(upper + "/etc/hosts");
  white_out(upper + "/.dockerenv");  // only the init layer has it
  white_out(upper + "/dev");         // as well
  std::set<std::string> found = changes("c1");
  found.erase("");
  EXPECT_EQ(found, (std::set<std::string>{"etc", "etc/new", "-etc/hosts"}));
}

TEST_F(StoreContainersTest, WorksWithoutImageAndWithoutInit) {
  store_->create_container("scratch", std::nullopt, nullptr);
  EXPECT_FALSE(stat_at(AT_FDCWD, path("overlay2/scratch-init/lower")));
  EXPECT_EQ(store_->mount_container("scratch").lower.size(), 1U);
  EXPECT_EQ(store_->container_parent("scratch"), std::nullopt);
  EXPECT_EQ(mode_of("overlay2/scratch/diff"), 0755U);
  write(path("overlay2/scratch/diff/a"), "x");
  EXPECT_TRUE(changes("scratch").contains("a"));
}

TEST_F(StoreContainersTest, RefusesBadAndTakenNames) {
  const LayerInfo base = image();
  for (const std::string bad : {"", "l", ".", "..", "a/b", "-a", "x-init", "a b", "a\n"}) {
    expect_error(Errc::Invalid, "is not a container ID",
                 [&] { store_->create_container(bad, base.chain, nullptr); });
  }
  expect_error(Errc::Invalid, "is not a container ID",
               [&] { store_->create_container(std::string(251, 'a'), base.chain, nullptr); });
  store_->create_container(std::string(250, 'a'), base.chain, nullptr);
  store_->create_container("c1", base.chain, nullptr);
  expect_error(Errc::Exists, "creating container 'c1': the name is taken",
               [&] { store_->create_container("c1", base.chain, nullptr); });
  expect_error(Errc::Exists, "the name is taken",
               [&] { store_->create_container(base.chain.hex(), base.chain, nullptr); });
  EXPECT_FALSE(store_->has_container(base.chain.hex()));
  EXPECT_EQ(names_in("staging"), Names{});
}

TEST_F(StoreContainersTest, LeavesNothingWhenTheInitLayerFails) {
  const LayerInfo base = image();
  expect_error(Errc::Invalid, "no hosts", [&] {
    store_->create_container("c1", base.chain, [](int) { fail(Errc::Invalid, "no hosts"); });
  });
  expect_error(Errc::NotFound, "not in the store",
               [&] { store_->create_container("c1", ChainId(Sha256::of("none")), nullptr); });
  EXPECT_FALSE(store_->has_container("c1"));
  EXPECT_EQ(names_in("staging"), Names{});
  EXPECT_EQ(names_in("overlay2/l").size(), 1U);
}

TEST_F(StoreContainersTest, RemovesAContainerWithItsInitLayer) {
  const LayerInfo base = image();
  store_->create_container("c1", base.chain, fill_init);
  ASSERT_TRUE(store_->has_container("c1"));
  EXPECT_FALSE(store_->has_container("c2"));
  store_->remove_container("c1");
  EXPECT_FALSE(store_->has_container("c1"));
  EXPECT_EQ(names_in("overlay2"), (Names{base.chain.hex(), "l"}));
  EXPECT_EQ(names_in("overlay2/l").size(), 1U);
  EXPECT_EQ(names_in("staging"), Names{});
  expect_error(Errc::NotFound, "removing container 'c1': not in the store",
               [&] { store_->remove_container("c1"); });
}

TEST_F(StoreContainersTest, DoesNotRemoveAMountedContainer) {
  store_->create_container("c1", image().chain, nullptr);
  const std::string merged = path("overlay2/c1/merged");
  if (::mount("none", merged.c_str(), "tmpfs", 0, nullptr) != 0) GTEST_SKIP() << "cannot mount";
  expect_error(Errc::Busy, "removing container 'c1': its root is mounted",
               [&] { store_->remove_container("c1"); });
  EXPECT_EQ(::umount2(merged.c_str(), MNT_DETACH), 0);
  store_->remove_container("c1");
}

TEST_F(StoreContainersTest, CollectsLayersNobodyNeeds) {
  const LayerInfo base = import(TarText().file("a", "1").end());
  const LayerInfo kept = import(TarText().file("b", "2").end(), base.chain);
  const LayerInfo gone = import(TarText().file("c", "3").end(), base.chain);
  const LayerInfo gone_top = import(TarText().file("d", "4").end(), gone.chain);
  const LayerInfo held = import(TarText().file("e", "5").end());
  store_->create_container("c1", held.chain, nullptr);
  make_dirs(path("overlay2/not-ours"), 0755);
  make_symlink_at("../nowhere/diff", AT_FDCWD, path("overlay2/l/DANGLING"));
  make_dirs(path("staging/dead/x"), 0700);

  const FileLock lock = store_->lock(LockKind::Exclusive);
  const auto removed =
      store_->remove_unreferenced({kept.chain, ChainId(Sha256::of("never heard of"))});
  ASSERT_EQ(removed.size(), 2U);
  EXPECT_EQ(removed[0].chain, gone_top.chain);
  EXPECT_EQ(removed[1].chain, gone.chain);
  EXPECT_EQ(store_->layers().size(), 3U);
  EXPECT_TRUE(store_->find(base.chain));
  EXPECT_TRUE(store_->find(held.chain));
  EXPECT_TRUE(stat_at(AT_FDCWD, path("overlay2/not-ours")));
  EXPECT_EQ(names_in("overlay2/l").size(), 5U);
  EXPECT_EQ(names_in("staging"), Names{});
  EXPECT_EQ(store_->remove_unreferenced({kept.chain}).size(), 0U);
}

TEST_F(StoreContainersTest, CollectsTheInitLayerOfAnInterruptedRemoval) {
  store_->create_container("c1", image().chain, fill_init);
  remove_tree_at(AT_FDCWD, path("overlay2/c1"));
  EXPECT_FALSE(store_->has_container("c1"));
  const FileLock lock = store_->lock(LockKind::Exclusive);
  EXPECT_EQ(store_->remove_unreferenced({}).size(), 1U);
  EXPECT_EQ(names_in("overlay2"), Names{"l"});
  EXPECT_EQ(names_in("overlay2/l"), Names{});
}

TEST_F(StoreContainersTest, DoesNotCollectOnADamagedRecord) {
  const LayerInfo base = image();
  store_->create_container("c1", base.chain, nullptr);
  write(path("overlay2/c1/container"), "");
  const FileLock lock = store_->lock(LockKind::Exclusive);
  expect_error(Errc::Integrity, "reading 'c1/container': line 1",
               [&] { store_->remove_unreferenced({}); });
  EXPECT_TRUE(store_->find(base.chain));
}

}  // namespace
}  // namespace layerkit::testing
