#include <fcntl.h>

#include <random>

#include "layerkit/layerstore/compression.h"
#include "store_fixture.h"

namespace layerkit::testing {
namespace {

class StoreExportTest : public EachDriverTest {
 protected:
  void expect_exact(const std::string& tar, const std::optional<ChainId>& parent = std::nullopt) {
    const LayerInfo info = import(tar, parent);
    const std::string again = exported(info.chain);
    EXPECT_EQ(again.size(), tar.size());
    EXPECT_TRUE(again == tar);
  }
  void expect_changed(const LayerInfo& info, const std::string& how) {
    expect_error(Errc::Integrity, "exporting layer " + info.diff_id.str() + ": " + how,
                 [&] { exported(info.chain); });
  }
};

TEST_P(StoreExportTest, WritesTheSameTarAgain) {
  expect_exact(TarText()
                   .directory("./")
                   .directory("etc/", 0700)
                   .file("etc/passwd", "root:x:0:0::/root:/bin/sh\n")
                   .file("etc/empty", "")
                   .symlink("etc/mtab", "/proc/mounts")
                   .hard_link("etc/passwd-", "etc/passwd")
                   .file("bin/su", "setuid", 04755)
                   .end());
}

TEST_P(StoreExportTest, KeepsOddPaddingAndTrailingBytes) {
  const TarText tar = TarText().file("a", "one");
  expect_exact(tar.end(0));
  expect_exact(tar.end(512));
  expect_exact(tar.end(10240));
  expect_exact(tar.end() + "trailing bytes that are no block");
  expect_exact(tar.end() + std::string(100'000, 'x'));
  expect_exact(std::string(1024, '\0'));
  std::string padded = tar.end();
  padded[512 + 3] = 'p';  // after the three bytes of the file
  expect_exact(padded);
}

TEST_P(StoreExportTest, KeepsContentsOfWhatIsNotStored) {
  const LayerInfo base = import(TarText().file("gone", "x").file("also", "y").end());
  expect_exact(TarText()
                   .file(".wh.gone", "a whiteout with contents")
                   .file(".wh..wh.aufs", "aufs metadata")
                   .file(".wh.also", "")
                   .end(),
               base.chain);
}

TEST_P(StoreExportTest, KeepsWhatALaterEntryReplaces) {
  expect_exact(TarText()
                   .file("a", "first")
                   .file("./a", "second, which is longer")
                   .file("b", "kept")
                   .file("a", "third")
                   .file("b", "")
                   .file("b", "last")
                   .end());
}

TEST_P(StoreExportTest, KeepsFilesOfAReplacedDirectoryAndOnesReachedByASymlink) {
  const std::string tar = TarText()
                              .directory("d")
                              .directory("d/sub")
                              .file("d/sub/a", "deep")
                              .file("d/b", "shallow")
                              .file("d", "now a file")
                              .directory("real")
                              .symlink("alias", "real")
                              .file("real/f", "by its name")
                              .file("alias/f", "by the symlink")
                              .hard_link("real/f", "d")
                              .end();
  expect_exact(tar);
  const ChainId chain = chain_id(std::nullopt, diff_id_of(tar));
  EXPECT_EQ(read(layer_path(chain, "diff/real/f")), "now a file");
  EXPECT_EQ(stat_at(AT_FDCWD, layer_path(chain, "replaced"))->mode, 0700U);
}

TEST_P(StoreExportTest, KeepsWhatIsReplacedThroughALowerSymlink) {
  const LayerInfo base =
      import(TarText().directory("usr").directory("usr/lib").symlink("lib", "usr/lib").end());
  expect_exact(
      TarText().file("lib/x", "first").file("usr/lib/x", "second").file("lib/x", "3").end(),
      base.chain);
}

TEST_P(StoreExportTest, KeepsAReplacedFileThatHasOtherLinks) {
  const std::string tar = TarText()
                              .file("a", "shared")
                              .hard_link("b", "a")
                              .file("a", "alone")
                              .file("b", "and this")
                              .end();
  expect_exact(tar);
}

TEST_P(StoreExportTest, KeepsFilesOfAufsThatLinksName) {
  const std::string tar = TarText()
                              .directory(".wh..wh.plnk/")
                              .file(".wh..wh.plnk/1.1", "linked")
                              .file(".wh..wh.plnk/2.2", "nobody's")
                              .file(".wh..wh.plnk/1.1", "linked, second")
                              .file(".wh..wh.aufs", "metadata")
                              .hard_link("a", ".wh..wh.plnk/1.1")
                              .hard_link("b", ".wh..wh.plnk/1.1")
                              .end();
  const LayerInfo layer = import(tar);
  EXPECT_TRUE(exported(layer.chain) == tar);
  EXPECT_EQ(read(layer_path(layer.chain, "diff/b")), "linked, second");
  EXPECT_EQ(store_->view(layer.chain)->list(RelPath()), (std::vector<std::string>{"a", "b"}));
}

TEST_P(StoreExportTest, WritesSparseFilesAgain) {
  const std::string tar =
      TarText()
          .sparse_file("holes", 1 << 20,
                       {{0, "head"}, {4096, std::string(700, 's')}, {1 << 20, ""}})
          .sparse_file("hole", 5000, {{5000, ""}})
          .file("after", "dense")
          .end();
  expect_exact(tar);
  const ChainId chain = chain_id(std::nullopt, diff_id_of(tar));
  const std::string holes = read_file_at(AT_FDCWD, layer_path(chain, "diff/holes"), 2 << 20);
  EXPECT_EQ(holes.size(), 1U << 20U);
  EXPECT_EQ(holes.substr(4096, 700), std::string(700, 's'));
  EXPECT_EQ(holes.substr(4, 10), std::string(10, '\0'));
}

TEST_P(StoreExportTest, WritesLargeFilesAgain) {
  std::mt19937_64 random(1);
  std::string large(3'000'001, '\0');
  for (char& c : large)
    c = static_cast<char>(random());
  expect_exact(TarText().file("large", large).file("b", "small").end());
}

TEST_P(StoreExportTest, NamesAFileThatWasChanged) {
  const LayerInfo info =
      import(TarText().directory("etc").file("etc/hosts", "127.0.0.1\n").file("b", "x").end());
  const std::string hosts = layer_path(info.chain, "diff/etc/hosts");
  write(hosts, "127.0.0.2\n");
  expect_changed(info, "the file 'etc/hosts' was changed in the store: its contents differ");
  write(hosts, "127\n");
  expect_changed(info,
                 "the file 'etc/hosts' was changed in the store: it has 4 bytes instead of 10");
  unlink_at(AT_FDCWD, hosts);
  expect_changed(info, "the file 'etc/hosts' was changed in the store: it is gone");
  make_dirs(hosts, 0755);
  expect_changed(info, "the file 'etc/hosts' was changed in the store: it is not a regular file");
}

TEST_P(StoreExportTest, DoesNotFollowASymlinkPutIntoTheStore) {
  const LayerInfo info = import(TarText().directory("etc").file("etc/hosts", "127.0.0.1\n").end());
  const std::string outside = temp_.path("outside");
  make_dirs(outside, 0755);
  write(outside + "/hosts", "127.0.0.1\n");
  remove_tree_at(AT_FDCWD, layer_path(info.chain, "diff/etc"));
  make_symlink_at(outside, AT_FDCWD, layer_path(info.chain, "diff/etc"));
  EXPECT_THROW(exported(info.chain), Error);
}

TEST_P(StoreExportTest, ReportsADamagedRecipe) {
  const LayerInfo info = import(TarText().file("a", "one").end());
  const LayerInfo other = import(TarText().file("b", "two").end());
  const std::string recipe = read(layer_path(info.chain, "recipe"));
  const std::string path = layer_path(info.chain, "recipe");
  write(path, recipe.substr(0, recipe.size() / 2));
  EXPECT_THROW(exported(info.chain), Error);
  write(path, "");
  EXPECT_THROW(exported(info.chain), Error);
  write(layer_path(other.chain, "diff/a"), "one");
  write(layer_path(other.chain, "recipe"), recipe);
  expect_changed(other, "the recipe is that of another layer");
}

TEST_P(StoreExportTest, ARecipeOfEndlessPiecesIsNotReadIntoMemory) {
  const LayerInfo info = import(TarText().file("a", "one").end());
  // A file of size 3 with 2^56 pieces, of which some are there.
  std::string records =
      "layerkit-recipe 1\n\x02\x01"
      "a\x03\x80\x80\x80\x80\x80\x80\x80\x80\x01";
  records.append(1'000'000, '\0');
  std::string packed;
  MemorySink sink(packed);
  const auto compressor = make_compressing_sink(sink, Compression::Zstd);
  compressor->write(as_bytes(records));
  compressor->finish();
  write(layer_path(info.chain, "recipe"), packed);
  expect_error(Errc::Integrity, "reading the recipe: a file of too many pieces",
               [&] { exported(info.chain); });
}

TEST_P(StoreExportTest, RefusesALayerThatIsNotThere) {
  expect_error(Errc::NotFound, "not in the store", [&] { exported(ChainId(Sha256::of("x"))); });
}

LAYERKIT_EACH_DRIVER(StoreExportTest);

}  // namespace
}  // namespace layerkit::testing
