#include <fcntl.h>
#include <sys/stat.h>

#include "store_fixture.h"

namespace layerkit::testing {
namespace {

using Names = std::vector<std::string>;

TEST_F(StoreTest, HasTheDocumentedFrameWhateverTheUmask) {
  const mode_t old_mask = ::umask(0077);
  const std::string root = temp_.path("a/b/other");
  open_store(root);
  ::umask(0);
  open_store(temp_.path("open"));
  ::umask(old_mask);
  for (const std::string& place : {root, temp_.path("open")}) {
    EXPECT_EQ(stat_at(AT_FDCWD, place)->mode, 0710U);
    EXPECT_EQ(stat_at(AT_FDCWD, place + "/version")->mode, 0644U);
    EXPECT_EQ(stat_at(AT_FDCWD, place + "/lock")->mode, 0600U);
    EXPECT_EQ(stat_at(AT_FDCWD, place + "/staging")->mode, 0700U);
    EXPECT_EQ(stat_at(AT_FDCWD, place + "/overlay2")->mode, 0710U);
    EXPECT_EQ(stat_at(AT_FDCWD, place + "/overlay2/l")->mode, 0700U);
    EXPECT_EQ(read(place + "/version"), "layerkit-store 1\n");
  }
}

TEST_F(StoreTest, LaysOutALayerAsDockerDoes) {
  const LayerInfo base = import(TarText().file("a", "one").end());
  const LayerInfo top = import(TarText().file("b", "two").end(), base.chain);
  const std::string base_dir = "overlay2/" + base.chain.hex();
  const std::string top_dir = "overlay2/" + top.chain.hex();
  EXPECT_EQ(names_in(base_dir), (Names{"committed", "diff", "index", "layer", "link", "recipe"}));
  EXPECT_EQ(names_in(top_dir),
            (Names{"committed", "diff", "index", "layer", "link", "lower", "recipe"}));
  EXPECT_EQ(mode_of(top_dir), 0710U);
  EXPECT_EQ(mode_of(top_dir + "/link"), 0644U);
  EXPECT_EQ(mode_of(top_dir + "/lower"), 0644U);
  EXPECT_EQ(mode_of(top_dir + "/committed"), 0600U);
  EXPECT_EQ(mode_of(top_dir + "/layer"), 0600U);
  EXPECT_EQ(mode_of(top_dir + "/recipe"), 0600U);
  EXPECT_EQ(mode_of(top_dir + "/index"), 0600U);
  EXPECT_EQ(read(path(top_dir + "/committed")), "");
  const std::string link = read(path(base_dir + "/link"));
  EXPECT_EQ(link.size(), 26U);
  EXPECT_EQ(link.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"), std::string::npos);
  EXPECT_EQ(read(path(top_dir + "/lower")), "l/" + link);
  EXPECT_EQ(read_link_at(AT_FDCWD, path("overlay2/l/" + link)), "../" + base.chain.hex() + "/diff");
  EXPECT_EQ(read(path("overlay2/l/" + link + "/a")), "one");
  EXPECT_EQ(names_in("staging"), Names{});
}

TEST_F(StoreTest, RecordsWhatItKnowsOfALayer) {
  const std::string tar = TarText().file("a", "one").directory("d").end();
  const LayerInfo base = import(tar);
  EXPECT_EQ(read(layer_path(base.chain, "layer")),
            "layerkit-layer 1\nchain " + base.chain.str() + "\ndiff " + diff_id_of(tar).str() +
                "\nparent none\nsize 3\ntar-size " + std::to_string(tar.size()) +
                "\nentries 2\nreplaced 0\nbeneath seen\n");
  const auto found = store_->find(base.chain);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->diff_id, diff_id_of(tar));
  EXPECT_EQ(found->size, 3U);
  EXPECT_EQ(found->tar_size, tar.size());
  EXPECT_EQ(found->parent, std::nullopt);
  EXPECT_EQ(store_->layers().size(), 1U);
  EXPECT_FALSE(store_->find(ChainId(Sha256::of("other"))));
}

TEST_F(StoreTest, AnOpaqueRootCutsTheListOfLowerLayers) {
  const LayerInfo base = import(TarText().file("a", "one").end());
  const LayerInfo cut = import(TarText().file(".wh..wh..opq", "").file("b", "").end(), base.chain);
  const LayerInfo top = import(TarText().file("c", "").end(), cut.chain);
  EXPECT_EQ(read(layer_path(cut.chain, "lower")), "");
  EXPECT_EQ(read(layer_path(top.chain, "lower")), "l/" + read(layer_path(cut.chain, "link")));
  EXPECT_EQ(store_->mount_layers(top.chain).lower.size(), 2U);
  EXPECT_EQ(store_->paths(top.chain).lower, Names{layer_path(cut.chain, "diff")});
  EXPECT_FALSE(store_->view(top.chain)->lookup(RelPath::parse("a")));
  EXPECT_TRUE(store_->view(top.chain)->lookup(RelPath::parse("b")));
}

TEST_F(StoreTest, DropsASecondCopyOfALayer) {
  const std::string tar = TarText().file("a", "one").end();
  const LayerInfo first = import(tar);
  const auto inode = stat_at(AT_FDCWD, layer_path(first.chain, "diff/a"))->ino;
  const LayerInfo second = import(tar);
  EXPECT_EQ(second.chain, first.chain);
  EXPECT_EQ(second.size, first.size);
  EXPECT_EQ(stat_at(AT_FDCWD, layer_path(first.chain, "diff/a"))->ino, inode);
  EXPECT_EQ(names_in("overlay2/l").size(), 1U);
  EXPECT_EQ(names_in("staging"), Names{});
}

TEST_F(StoreTest, TwoTransactionsWithTheSameLayersBothCommit) {
  const std::string tar = TarText().file("a", "one").end();
  const std::string upper = TarText().file("b", "two").end();
  const auto add = [&](LayerTransaction& transaction) {
    MemorySource source(tar);
    const LayerInfo base = transaction.add(std::nullopt, source, diff_id_of(tar), Context{});
    MemorySource upper_source(upper);
    return transaction.add(base.chain, upper_source, diff_id_of(upper), Context{});
  };
  auto one = store_->begin();
  auto two = store_->begin();
  add(*one);
  const LayerInfo top = add(*two);
  one->commit();
  two->commit();
  one.reset();
  two.reset();
  EXPECT_EQ(store_->layers().size(), 2U);
  EXPECT_EQ(exported(top.chain), upper);
  EXPECT_EQ(read(path("overlay2/" + read(layer_path(top.chain, "lower")) + "/a")), "one");
  EXPECT_EQ(names_in("staging"), Names{});
}

TEST_F(StoreTest, NothingIsVisibleBeforeCommitAndNothingIsLeftWithout) {
  const std::string tar = TarText().file("a", "one").end();
  const ChainId chain = chain_id(std::nullopt, diff_id_of(tar));
  {
    const auto transaction = store_->begin();
    MemorySource source(tar);
    EXPECT_EQ(transaction->add(std::nullopt, source, std::nullopt, Context{}).chain, chain);
    EXPECT_FALSE(store_->find(chain));
    EXPECT_EQ(names_in("overlay2"), Names{"l"});
  }
  EXPECT_EQ(names_in("overlay2"), Names{"l"});
  EXPECT_EQ(names_in("staging"), Names{});
}

TEST_F(StoreTest, RefusesALayerWithAnotherDigest) {
  const std::string tar = TarText().file("a", "one").end();
  const DiffId other = diff_id_of("other");
  {
    const auto transaction = store_->begin();
    MemorySource source(tar);
    expect_error(Errc::Integrity,
                 "layer " + diff_id_of(tar).str() +
                     " does not match its digest: the archive's config says " + other.str(),
                 [&] { transaction->add(std::nullopt, source, other, Context{}); });
    transaction->commit();
  }
  EXPECT_EQ(names_in("overlay2"), Names{"l"});
  EXPECT_EQ(names_in("overlay2/l"), Names{});
  EXPECT_EQ(names_in("staging"), Names{});
}

TEST_F(StoreTest, ATransactionGoesOnAfterABadLayer) {
  const std::string tar = TarText().file("a", "one").end();
  const auto transaction = store_->begin();
  MemorySource junk("this is not a tar, and it is not even a whole block");
  EXPECT_THROW(transaction->add(std::nullopt, junk, std::nullopt, Context{}), Error);
  MemorySource source(tar);
  const LayerInfo info = transaction->add(std::nullopt, source, std::nullopt, Context{});
  transaction->commit();
  EXPECT_EQ(exported(info.chain), tar);
}

TEST_F(StoreTest, RefusesAParentThatIsNotThere) {
  const auto transaction = store_->begin();
  const ChainId parent(Sha256::of("nobody"));
  MemorySource source("");
  expect_error(Errc::NotFound, "adding a layer on " + parent.str() + ": there is no such layer",
               [&] { transaction->add(parent, source, std::nullopt, Context{}); });
}

TEST_F(StoreTest, BoundsWhatTheLayersOfATransactionUnpackTo) {
  const std::string tar = TarText().file("a", std::string(3000, 'x')).end();
  const std::string other = TarText().file("b", "").end();
  const auto limited = open_store(root_, {.transaction_bytes = tar.size() + 100});
  const auto transaction = limited->begin();
  MemorySource source(tar);
  const LayerInfo base = transaction->add(std::nullopt, source, std::nullopt, Context{});
  MemorySource more(other);
  expect_error(Errc::Limit,
               "the layers unpack to more than " + std::to_string(tar.size() + 100) +
                   " bytes together (the limit max-size)",
               [&] { transaction->add(base.chain, more, std::nullopt, Context{}); });
  const auto unlimited = limited->begin();
  MemorySource again(other);
  unlimited->add(std::nullopt, again, std::nullopt, Context{});
}

TEST_F(StoreTest, ALayerIsBuiltOnWhatTheIndexesSay) {
  const LayerInfo base = import(TarText().directory("d", 0700).file("d/a", "").end());
  // As if the tree below could not be looked at: its index is enough to know what it holds.
  remove_tree_at(AT_FDCWD, layer_path(base.chain, "diff/d"));
  const LayerInfo top = import(TarText().file("d/.wh.a", "").file("d/b", "").end(), base.chain);
  EXPECT_EQ(stat_at(AT_FDCWD, layer_path(top.chain, "diff/d/a"))->type, FileType::CharDevice);
  EXPECT_EQ(stat_at(AT_FDCWD, layer_path(top.chain, "diff/d"))->mode, 0700U);
}

TEST_F(StoreTest, ReadsLayersWithoutAnIndexAndNamesTheOneWhoseIndexIsDamaged) {
  const LayerInfo base = import(TarText().directory("d", 0700).file("d/a", "one").end());
  const LayerInfo top = import(TarText().file("d/b", "two").end(), base.chain);
  const auto names = store_->view(top.chain)->list(RelPath::parse("d"));
  EXPECT_EQ(names, (Names{"a", "b"}));
  unlink_at(AT_FDCWD, layer_path(base.chain, "index"));
  EXPECT_EQ(store_->view(top.chain)->list(RelPath::parse("d")), names);
  import(TarText().file("d/.wh.a", "").end(), top.chain);
  write(layer_path(top.chain, "index"), "not an index");
  expect_error(Errc::Integrity, "reading the index of layer '" + top.chain.hex() + "': ", [&] {
    store_->view(top.chain);
  });
  expect_error(Errc::Integrity, "reading the index of layer '" + top.chain.hex() + "': ", [&] {
    import(TarText().file("x", "").end(), top.chain);
  });
}

TEST_F(StoreTest, StopsWhenInterrupted) {
  const std::string tar = TarText().file("a", "one").end();
  const std::atomic<bool> interrupted = true;
  Context context;
  context.interrupted = &interrupted;
  const auto transaction = store_->begin();
  MemorySource source(tar);
  EXPECT_THROW(transaction->add(std::nullopt, source, std::nullopt, context), Error);
}

TEST_F(StoreTest, RefusesADirectoryThatIsNoStore) {
  const std::string foreign = temp_.path("foreign");
  make_dirs(foreign, 0755);
  write(foreign + "/letter", "dear");
  expect_error(Errc::Invalid, "it is not a store and not empty: it has 'letter'",
               [&] { open_store(foreign); });
  EXPECT_FALSE(stat_at(AT_FDCWD, foreign + "/lock"));
  expect_error(Errc::Invalid, "opening the store '': the path is empty", [] { open_store(""); });
}

TEST_F(StoreTest, RefusesVersionsItDoesNotKnow) {
  write(path("version"), "layerkit-store 2\n");
  expect_error(Errc::Unsupported, "its format is 'layerkit-store 2\\n'",
               [&] { open_store(root_); });
  write(path("version"), "something else\n");
  expect_error(Errc::Invalid, "it is not a store", [&] { open_store(root_); });
}

TEST_F(StoreTest, AcceptsOtherNamesBesideItsOwnAndASymlinkToItsRoot) {
  make_dirs(path("images"), 0700);
  write(path("names.json"), "{}");
  make_symlink_at(root_, AT_FDCWD, temp_.path("alias"));
  const LayerInfo base = import(TarText().file("a", "one").end());
  const auto again = open_store(temp_.path("alias") + "/");
  EXPECT_EQ(again->paths(base.chain).upper, layer_path(base.chain, "diff"));
}

TEST_F(StoreTest, CompletesAnInterruptedCreation) {
  const std::string half = temp_.path("half");
  make_dirs(half + "/staging", 0700);
  write(half + "/staging/version", "layer");
  write(half + "/lock", "");
  open_store(half);
  EXPECT_EQ(read(half + "/version"), "layerkit-store 1\n");
}

TEST_F(StoreTest, ReportsADamagedRecord) {
  const LayerInfo base = import(TarText().file("a", "one").end());
  std::string text = read(layer_path(base.chain, "layer"));
  const auto damage = [&](const std::string& from, const std::string& to, const std::string& why) {
    std::string damaged = text;
    damaged.replace(damaged.find(from), from.size(), to);
    write(layer_path(base.chain, "layer"), damaged);
    expect_error(Errc::Integrity, "reading '" + base.chain.hex() + "/layer': " + why,
                 [&] { store_->find(base.chain); });
  };
  damage("layerkit-layer 1", "layerkit-layer 2", "line 1: not 'layerkit-layer 1'");
  damage("size 3", "size 03", "line 5: '03' is not a number");
  damage("size 3", "size -3", "line 5: '-3' is not a number");
  damage("seen\n", "seen", "line 9: missing");
  damage("seen\n", "seen\n\n", "line 10: text after the end");
  damage("seen", "blurred", "line 9: neither 'hidden' nor 'seen'");
  damage("parent none", "parent sha256:00", "line 4: ");
  damage("parent none", "parent " + base.chain.str(), "the chain ID is not that of");
}

TEST_F(StoreTest, PathsAreThoseOfDockerInspect) {
  const LayerInfo base = import(TarText().file("a", "1").end());
  const LayerInfo middle = import(TarText().file("b", "2").end(), base.chain);
  const LayerInfo top = import(TarText().file("c", "3").end(), middle.chain);
  const LayerPaths paths = store_->paths(top.chain);
  EXPECT_EQ(paths.lower, (Names{layer_path(middle.chain, "diff"), layer_path(base.chain, "diff")}));
  EXPECT_EQ(paths.upper, layer_path(top.chain, "diff"));
  EXPECT_EQ(paths.work, layer_path(top.chain, "work"));
  EXPECT_EQ(paths.merged, layer_path(top.chain, "merged"));
  expect_error(Errc::NotFound, "not in the store",
               [&] { store_->paths(ChainId(Sha256::of("none"))); });
}

TEST_F(StoreTest, TemporaryFilesHaveNoName) {
  const Fd file = store_->temporary_file();
  write_all(file.get(), "spool", "spool");
  EXPECT_EQ(stat_fd(file.get()).nlink, 0U);
  // Nor are they in a directory that all users share.
  const Fd staging = open_dir_at(AT_FDCWD, path("staging"));
  const auto place = [](const Fd& fd) {
    return read_link_at(AT_FDCWD, fmt::format("/proc/self/fd/{}", fd.get()));
  };
  EXPECT_TRUE(place(file).starts_with(place(staging) + "/")) << place(file);
  EXPECT_EQ(names_in("staging"), Names{});
}

TEST_F(StoreTest, SweepsWhatADeadProcessLeftAndNothingElse) {
  make_dirs(path("staging/dead/0/diff"), 0700);
  write(path("staging/dead/0/diff/a"), "half");
  const auto alive = store_->begin();
  open_store(root_);
  EXPECT_EQ(names_in("staging").size(), 1U);
  EXPECT_NE(names_in("staging"), Names{"dead"});
  const std::string tar = TarText().file("a", "one").end();
  MemorySource source(tar);
  const LayerInfo info = alive->add(std::nullopt, source, std::nullopt, Context{});
  alive->commit();
  EXPECT_EQ(exported(info.chain), tar);
}

TEST_F(StoreTest, MountsSixHundredLayersNearestFirst) {
  constexpr int kLayers = 600;
  std::optional<ChainId> top;
  const auto transaction = store_->begin();
  std::vector<ChainId> chains;
  for (int i = 0; i < kLayers; ++i) {
    const std::string tar = TarText().file("f" + std::to_string(i), std::to_string(i)).end();
    MemorySource source(tar);
    top = transaction->add(top, source, diff_id_of(tar), Context{}).chain;
    chains.push_back(*top);
  }
  transaction->commit();
  const LayerMount mount = store_->mount_layers(top);
  ASSERT_EQ(mount.lower.size(), static_cast<std::size_t>(kLayers));
  for (int i = 0; i < kLayers; ++i) {
    const auto from_top = static_cast<std::size_t>(kLayers - 1 - i);
    EXPECT_TRUE(stat_at(mount.lower[from_top].get(), "f" + std::to_string(i)));
  }
  EXPECT_EQ(read(layer_path(*top, "lower")).size(), 29U * (kLayers - 1) - 1);
  EXPECT_FALSE(mount.upper);
  EXPECT_TRUE(store_->mount_layers(std::nullopt).lower.empty());
}

}  // namespace
}  // namespace layerkit::testing
