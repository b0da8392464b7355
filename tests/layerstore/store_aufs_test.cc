#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <algorithm>
#include <set>

#include "store_fixture.h"

namespace layerkit::testing {
namespace {

using Names = std::vector<std::string>;

class StoreAufsTest : public StoreTest {
 protected:
  StoreDriver driver() const override { return StoreDriver::Aufs; }

  LayerInfo image() {
    return import(TarText().directory("./", 0751).directory("etc").file("etc/hosts", "x").end());
  }
  static void fill_init(int fd) {
    make_dir_at(fd, "dev", 0755);
    write_file_at(fd, ".dockerenv", "", 0644);
  }
  /// "path", "-path" for a whiteout or "path/*" for an opaque directory, but for the root.
  std::set<std::string> changes(const std::string& id) const {
    std::set<std::string> found;
    const auto reader = store_->container_diff(id, Context{});
    while (const auto entry = reader->next()) {
      if (!entry->path.is_root())
        found.insert((entry->is_whiteout() ? "-" : "") + entry->path.str() +
                     (entry->hides == Hides::Below ? "/*" : ""));
    }
    return found;
  }
  std::size_t collect(const std::vector<ChainId>& keep) {
    const FileLock lock = store_->lock(LockKind::Exclusive);
    return store_->remove_unreferenced(keep).size();
  }
  /// Names in each of Docker's directories, which should be the same.
  Names parts() const {
    Names names = names_in("aufs/diff");
    EXPECT_EQ(names, names_in("aufs/layers"));
    EXPECT_EQ(names, names_in("aufs/mnt"));
    return names;
  }
  /// As if a process had died in the middle: the records on their way, this part not in place.
  void half_move(const std::string& name, const std::string& missing_part) const {
    rename_at(AT_FDCWD, path("aufs/records/" + name), AT_FDCWD, path("aufs/moving/" + name));
    const std::string part = missing_part + "/" + name;
    rename_at(AT_FDCWD, path("aufs/" + part), AT_FDCWD,
              path("aufs/moving/" + name + "/" + missing_part));
  }
};

TEST_F(StoreAufsTest, HasTheDocumentedFrameWhateverTheUmask) {
  const mode_t old_mask = ::umask(0077);
  const std::string root = temp_.path("masked");
  open_store(root, options());
  ::umask(old_mask);
  const auto mode = [&](const std::string& name) {
    return stat_at(AT_FDCWD, root + "/" + name)->mode;
  };
  for (const char* name : {"aufs", "aufs/diff", "aufs/layers", "aufs/mnt"})
    EXPECT_EQ(mode(name), 0710U) << name;
  for (const char* name : {"aufs/records", "aufs/moving"})
    EXPECT_EQ(mode(name), 0700U) << name;
  EXPECT_FALSE(stat_at(AT_FDCWD, root + "/overlay2"));
}

TEST_F(StoreAufsTest, LaysOutLayersAsDockerDoes) {
  const LayerInfo base = import(TarText().file("a", "1").directory("d").file("d/x", "").end());
  const LayerInfo middle = import(
      TarText().file(".wh.a", "").directory("d").file("d/.wh..wh..opq", "").end(), base.chain);
  const LayerInfo top = import(TarText().file("b", "2").end(), middle.chain);
  Names all = {base.chain.hex(), middle.chain.hex(), top.chain.hex()};
  std::sort(all.begin(), all.end());
  EXPECT_EQ(parts(), all);
  EXPECT_EQ(names_in("aufs/records"), all);
  EXPECT_EQ(names_in("aufs/moving"), Names{".lock"});
  EXPECT_EQ(names_in("staging"), Names{});

  const auto parents = [&](const LayerInfo& layer) {
    return read(path("aufs/layers/" + layer.chain.hex()));
  };
  EXPECT_EQ(parents(base), "");
  EXPECT_EQ(parents(middle), base.chain.hex() + "\n");
  EXPECT_EQ(parents(top), middle.chain.hex() + "\n" + base.chain.hex() + "\n");
  EXPECT_EQ(names_in("aufs/diff/" + middle.chain.hex()), (Names{".wh.a", "d"}));
  EXPECT_EQ(names_in("aufs/diff/" + middle.chain.hex() + "/d"), Names{".wh..wh..opq"});
  EXPECT_EQ(mode_of("aufs/layers/" + top.chain.hex()), 0644U);
  EXPECT_EQ(mode_of("aufs/mnt/" + top.chain.hex()), 0755U);
  EXPECT_EQ(mode_of("aufs/records/" + top.chain.hex()), 0710U);
  const Names records = names_in("aufs/records/" + top.chain.hex());
  EXPECT_TRUE(std::count(records.begin(), records.end(), "layer") == 1 &&
              std::count(records.begin(), records.end(), "recipe") == 1 &&
              std::count(records.begin(), records.end(), "diff") == 0);

  const auto view = store_->view(top.chain);
  EXPECT_EQ(view->list(RelPath()), (Names{"b", "d"}));
  EXPECT_EQ(view->list(RelPath::parse("d")), Names{});
  EXPECT_EQ(store_->layers().size(), 3U);
}

/// AUFS ignores a marker in the root of a branch.
TEST_F(StoreAufsTest, AnOpaqueRootCutsTheListOfParents) {
  const LayerInfo base = import(TarText().file("a", "one").end());
  const LayerInfo cut = import(TarText().file(".wh..wh..opq", "").file("b", "").end(), base.chain);
  const LayerInfo top = import(TarText().file("c", "").end(), cut.chain);
  EXPECT_EQ(read(path("aufs/layers/" + cut.chain.hex())), "");
  EXPECT_EQ(read(path("aufs/layers/" + top.chain.hex())), cut.chain.hex() + "\n");
  EXPECT_EQ(store_->mount_layers(top.chain).lower.size(), 2U);
  EXPECT_EQ(names_in("aufs/diff/" + cut.chain.hex()), (Names{".wh..wh..opq", "b"}));
  EXPECT_EQ(store_->view(top.chain)->list(RelPath()), (Names{"b", "c"}));
}

TEST_F(StoreAufsTest, LaysOutAContainerOnItsInitLayer) {
  const LayerInfo base = image();
  store_->create_container("c1", base.chain, fill_init);
  EXPECT_EQ(read(path("aufs/layers/c1")), "c1-init\n" + base.chain.hex() + "\n");
  EXPECT_EQ(read(path("aufs/layers/c1-init")), base.chain.hex() + "\n");
  EXPECT_EQ(names_in("aufs/records/c1"), Names{"container"});
  EXPECT_EQ(mode_of("aufs/diff/c1"), 0751U);
  EXPECT_EQ(parts().size(), 3U);
  const LayerPaths paths = store_->container_paths("c1");
  EXPECT_EQ(paths.lower, (Names{path("aufs/diff/c1-init"), path("aufs/diff/" + base.chain.hex())}));
  EXPECT_EQ(paths.upper, path("aufs/diff/c1"));
  EXPECT_EQ(paths.work, "");
  EXPECT_EQ(paths.merged, path("aufs/mnt/c1"));
  const LayerMount mount = store_->mount_container("c1");
  EXPECT_EQ(mount.lower.size(), 2U);
  EXPECT_TRUE(mount.upper);
  EXPECT_FALSE(mount.work);
}

TEST_F(StoreAufsTest, ShowsWhatAContainerChanged) {
  store_->create_container("c1", image().chain, fill_init);
  EXPECT_EQ(changes("c1"), std::set<std::string>{});
  const std::string upper = path("aufs/diff/c1");
  write(upper + "/.wh..wh.aufs", "");
  make_dirs(upper + "/.wh..wh.plnk", 0700);
  write(upper + "/.wh.dev", "");  // only the init layer has it
  make_dirs(upper + "/etc", 0755);
  write(upper + "/etc/.wh.hosts", "");
  write(upper + "/etc/new", "mine");
  EXPECT_EQ(changes("c1"), (std::set<std::string>{"etc", "-etc/hosts", "etc/new"}));
  unlink_at(AT_FDCWD, upper + "/etc/.wh.hosts");
  write(upper + "/etc/.wh..wh..opq", "");
  EXPECT_EQ(changes("c1"), (std::set<std::string>{"etc", "etc/*", "etc/new"}));
}

TEST_F(StoreAufsTest, WhatAContainerChangedBecomesALayer) {
  const LayerInfo base = image();
  store_->create_container("c1", base.chain, fill_init);
  const std::string upper = path("aufs/diff/c1");
  make_dirs(upper + "/etc", 0755);
  write(upper + "/etc/.wh.hosts", "");
  write(upper + "/new", "data");
  std::string tar;
  MemorySink sink(tar);
  const auto writer = make_tar_writer(sink);
  copy_layer(*store_->container_diff("c1", Context{}), *writer, Context{});
  const LayerInfo committed = import(tar, base.chain);
  EXPECT_EQ(store_->view(committed.chain)->list(RelPath()), (Names{"etc", "new"}));
  EXPECT_EQ(store_->view(committed.chain)->list(RelPath::parse("etc")), Names{});
  EXPECT_EQ(exported(committed.chain), tar);
}

TEST_F(StoreAufsTest, NamesAreTakenOnce) {
  const LayerInfo base = image();
  const std::string longest(250, 'a');
  store_->create_container(longest, base.chain, nullptr);
  expect_error(Errc::Exists, "the name is taken",
               [&] { store_->create_container(longest, base.chain, nullptr); });
  expect_error(Errc::Exists, "the name is taken",
               [&] { store_->create_container(base.chain.hex(), base.chain, nullptr); });
  store_->remove_container(longest);
  EXPECT_EQ(parts(), Names{base.chain.hex()});
  EXPECT_EQ(names_in("aufs/moving"), Names{".lock"});
  EXPECT_EQ(names_in("staging"), Names{});
}

TEST_F(StoreAufsTest, PartsWithoutRecordsAreLeftAlone) {
  const std::string tar = TarText().file("a", "one").end();
  const std::string name = chain_id(std::nullopt, diff_id_of(tar)).hex();
  make_dirs(path("aufs/diff/" + name), 0755);
  expect_error(Errc::Exists, "there are parts of one without records", [&] { import(tar); });
  collect({});
  EXPECT_EQ(names_in("aufs/diff"), Names{name});
  EXPECT_EQ(names_in("aufs/layers"), Names{});
  EXPECT_EQ(names_in("aufs/records"), Names{});
  EXPECT_EQ(names_in("aufs/moving"), Names{".lock"});
  EXPECT_EQ(names_in("staging"), Names{});
}

TEST_F(StoreAufsTest, DoesNotRemoveAMountedContainer) {
  store_->create_container("c1", image().chain, nullptr);
  const std::string merged = path("aufs/mnt/c1");
  if (::mount("none", merged.c_str(), "tmpfs", 0, nullptr) != 0) GTEST_SKIP() << "cannot mount";
  expect_error(Errc::Busy, "removing container 'c1': its root is mounted",
               [&] { store_->remove_container("c1"); });
  EXPECT_EQ(::umount2(merged.c_str(), MNT_DETACH), 0);
  store_->remove_container("c1");
}

TEST_F(StoreAufsTest, CollectsLayersNobodyNeedsAndWhatTheDeadLeft) {
  const LayerInfo base = import(TarText().file("a", "1").end());
  const LayerInfo kept = import(TarText().file("b", "2").end(), base.chain);
  const LayerInfo gone = import(TarText().file("c", "3").end(), base.chain);
  const LayerInfo held = import(TarText().file("e", "5").end());
  const LayerInfo dead = import(TarText().file("f", "6").end());
  store_->create_container("c1", held.chain, nullptr);
  store_->create_container("half", held.chain, nullptr);
  half_move("half", "mnt");
  half_move(dead.chain.hex(), "layers");
  EXPECT_FALSE(store_->find(dead.chain));
  EXPECT_FALSE(store_->has_container("half"));
  EXPECT_EQ(collect({kept.chain}), 1U);
  Names left = {base.chain.hex(), "c1", "c1-init", held.chain.hex(), kept.chain.hex()};
  std::sort(left.begin(), left.end());
  EXPECT_EQ(parts(), left);
  EXPECT_EQ(names_in("aufs/records"), left);
  EXPECT_EQ(names_in("aufs/moving"), Names{".lock"});
  EXPECT_EQ(names_in("staging"), Names{});
  EXPECT_FALSE(store_->find(gone.chain));
}

TEST_F(StoreAufsTest, ALayerThatADeadProcessLeftHalfIsBroughtAgain) {
  const std::string tar = TarText().file("a", "one").end();
  for (const char* missing : {"diff", "layers", "mnt"}) {
    const LayerInfo info = import(tar);
    half_move(info.chain.hex(), missing);
    EXPECT_FALSE(store_->find(info.chain)) << missing;
    import(tar);
    EXPECT_EQ(exported(info.chain), tar) << missing;
    EXPECT_EQ(parts(), Names{info.chain.hex()});
    EXPECT_EQ(names_in("aufs/moving"), Names{".lock"});
    EXPECT_EQ(names_in("staging"), Names{});
  }
}

class DriverChoiceTest : public StoreTest {
 protected:
  static StoreOptions probing(const std::optional<std::string>& answer) {
    StoreOptions options;
    options.overlay_probe = [answer](int scratch) {
      make_dir_at(scratch, "litter", 0700);
      return answer;
    };
    return options;
  }
};

TEST_F(DriverChoiceTest, ANewStoreTakesWhatTheProbeSays) {
  const auto overlay = open_store(temp_.path("overlay"), probing(std::nullopt));
  EXPECT_EQ(overlay->driver(), StoreDriver::Overlay2);
  EXPECT_EQ(overlay->driver_info().reason, "the kernel and the file system carry it");
  const auto aufs = open_store(temp_.path("aufs"), probing("no whiteouts"));
  EXPECT_EQ(aufs->driver(), StoreDriver::Aufs);
  EXPECT_EQ(aufs->driver_info().reason, "overlay2 does not work here: no whiteouts");
  for (const char* name : {"overlay", "aufs"})
    EXPECT_TRUE(list_dir(open_dir_at(AT_FDCWD, temp_.path(name) + "/staging").get()).empty());
}

TEST_F(DriverChoiceTest, AStoreKeepsItsDriverWhateverTheProbeSaysLater) {
  open_store(temp_.path("overlay"), probing(std::nullopt));
  const auto overlay = open_store(temp_.path("overlay"), probing("it broke"));
  EXPECT_EQ(overlay->driver(), StoreDriver::Overlay2);
  EXPECT_EQ(overlay->driver_info().reason,
            "the store was made with it; it does not work here: it broke");
  open_store(temp_.path("aufs"), probing("not yet"));
  const auto aufs = open_store(temp_.path("aufs"), probing(std::nullopt));
  EXPECT_EQ(aufs->driver(), StoreDriver::Aufs);
  EXPECT_EQ(aufs->driver_info().reason, "the store was made with it; overlay2 would work, too");
}

TEST_F(DriverChoiceTest, TheUsersWordCountsForANewStoreOnly) {
  StoreOptions wanted = probing(std::nullopt);
  wanted.driver = StoreDriver::Aufs;
  const std::string root = temp_.path("forced");
  EXPECT_EQ(open_store(root, wanted)->driver(), StoreDriver::Aufs);
  wanted.driver = StoreDriver::Overlay2;
  expect_error(Errc::Invalid,
               "opening the store '" + root +
                   "': it has the storage driver aufs, not overlay2: a store keeps its driver",
               [&] { open_store(root, wanted); });
  wanted.driver = StoreDriver::Aufs;
  expect_error(Errc::Invalid, "it has the storage driver overlay2, not aufs",
               [&] { open_store(root_, wanted); });
}

TEST_F(DriverChoiceTest, AnInterruptedCreationDoesNotDecide) {
  const std::string half = temp_.path("half");
  make_dirs(half + "/staging", 0700);
  make_dirs(half + "/overlay2/l", 0700);
  EXPECT_EQ(open_store(half, probing("no whiteouts"))->driver(), StoreDriver::Aufs);
  EXPECT_FALSE(stat_at(AT_FDCWD, half + "/overlay2"));
}

TEST_F(DriverChoiceTest, TwoDriversInOneStoreAreDamage) {
  make_dirs(path("aufs"), 0710);
  expect_error(Errc::Integrity, "it has directories of two storage drivers, 'overlay2' and 'aufs'",
               [&] { open_store(root_); });
}

TEST_F(DriverChoiceTest, DriversHaveNames) {
  EXPECT_EQ(parse_driver("aufs"), StoreDriver::Aufs);
  EXPECT_EQ(parse_driver("overlay2"), StoreDriver::Overlay2);
  EXPECT_EQ(driver_name(StoreDriver::Aufs), "aufs");
  expect_error(Errc::Invalid, "'btrfs' is not a storage driver: there are overlay2 and aufs",
               [] { parse_driver("btrfs"); });
}

}  // namespace
}  // namespace layerkit::testing
