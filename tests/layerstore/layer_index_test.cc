#include "layer_index.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <functional>

#include "expect_error.h"
#include "layer_index_format.h"
#include "layer_stack.h"
#include "random_layers.h"
#include "store_layout.h"

namespace layerkit::testing {
namespace {

using layer_index::kPageBytes;
using layer_index::Page;
using Names = std::vector<std::string>;

/// A layer directory with `diff` and `index`.
class LayerIndexTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "unpacking layers sets owners: it needs root";
    make_dir_at(temp_.fd(), "diff", 0755);
  }

  Fd diff() const { return open_dir_at(temp_.fd(), "diff"); }
  std::string diff_path(const std::string& below) const { return temp_.path("diff/" + below); }

  void unpack(const LayerItems& items, std::shared_ptr<const LayerTree> lower = nullptr) {
    const auto writer = make_overlay_diff_writer(diff(), std::move(lower), Context{});
    VectorLayerReader reader(items);
    copy_layer(reader, *writer, Context{});
    write_layer_index(temp_.fd());
  }

  std::shared_ptr<const LayerTree> indexed() const {
    return make_layer_index_tree(open_at(temp_.fd(), "index", O_RDONLY), "test-layer",
                                 make_index_page_cache(4), [this] { return diff(); });
  }
  std::shared_ptr<const LayerTree> unindexed() const { return make_overlay_diff_tree(diff()); }

  std::string index_bytes() const { return read_file_at(temp_.fd(), "index", 1 << 26); }
  void put_index(const std::string& bytes) { write_file_at(temp_.fd(), "index", bytes, 0600); }

  /// The index with a page changed and sealed again, as somebody who knows the format would do.
  std::string with_page(const std::string& bytes,
                        std::size_t number,
                        const std::function<void(Page&)>& change) const {
    Page page{};
    std::memcpy(page.data(), bytes.data() + number * kPageBytes, kPageBytes);
    change(page);
    layer_index::seal_page(page, number);
    std::string changed = bytes;
    changed.replace(number * kPageBytes, kPageBytes, reinterpret_cast<const char*>(page.data()),
                    kPageBytes);
    return changed;
  }

  TempDir temp_;
};

/// Asks both trees the same questions about a path.
void expect_same_answers(const LayerTree& got, const LayerTree& wanted, const RelPath& path) {
  SCOPED_TRACE("/" + path.str());
  const auto entry = wanted.lookup(path);
  EXPECT_TRUE(got.lookup(path) == entry);
  EXPECT_EQ(got.hides_lower(path), wanted.hides_lower(path));
  if (entry && entry->is_directory()) {
    EXPECT_EQ(got.list(path), wanted.list(path));
  } else {
    expect_error(Errc::NotFound, "it is not a directory", [&] { got.list(path); });
  }
}

void expect_same_below(const LayerTree& got, const LayerTree& wanted, const RelPath& path) {
  expect_same_answers(got, wanted, path);
  const auto entry = wanted.lookup(path);
  if (!entry || !entry->is_directory()) return;
  for (const std::string& name : wanted.list(path))
    expect_same_below(got, wanted, path / name);
}

TEST_F(LayerIndexTest, SaysOfEveryKindOfObjectWhatTheDiffDirectorySays) {
  unpack({dir("d").mode(01777).owner(1, 2).mtime(-5, 7), file("d/f", "contents").mode(04755),
          symlink("d/l", std::string(4000, 't')), fifo("d/p"),
          device(FileType::CharDevice, "d/c", 1, 3),
          device(FileType::BlockDevice, "d/b", 259, 1048575),
          dir("d/x").xattr("user.big", std::string(3000, 'x')).xattr("user.empty", ""),
          file("h", "1"), link("i", "h")});
  ASSERT_EQ(::mknod(diff_path("d/ghost").c_str(), S_IFCHR, 0), 0);
  ASSERT_EQ(::mknod(diff_path("d/socket").c_str(), S_IFSOCK | 0600, 0), 0);
  set_xattr_at(diff().get(), "d", "trusted.overlay.opaque", "y");
  set_xattr_at(diff().get(), ".", "trusted.overlay.opaque", "y");
  write_layer_index(temp_.fd());
  expect_same_below(*indexed(), *unindexed(), RelPath());
  EXPECT_EQ(indexed()->lookup(RelPath::parse("d"))->hides, Hides::Below);
  EXPECT_EQ(indexed()->lookup(RelPath())->hides, Hides::Nothing);
  EXPECT_TRUE(indexed()->lookup(RelPath::parse("d/ghost"))->is_whiteout());
  EXPECT_EQ(indexed()->lookup(RelPath::parse("d/l"))->symlink_target, std::string(4000, 't'));
}

TEST_F(LayerIndexTest, PathsAreLiteralAndContentsComeFromTheDiffDirectory) {
  unpack({dir("d"), file("d/a", "contents"), symlink("l", "d")});
  for (const char* path : {"l/a", "d/a/b", "d/b", "x", "x/y", "d/aa", "c", "e"}) {
    expect_same_answers(*indexed(), *unindexed(), RelPath::parse(path));
  }
  EXPECT_EQ(read_all(*indexed()->open(RelPath::parse("d/a")), 100, "a"), "contents");
  expect_error(Errc::NotFound, "reading '/l/a': no such file",
               [&] { indexed()->open(RelPath::parse("l/a")); });
  expect_error(Errc::NotFound, "reading '/d': it is not a regular file",
               [&] { indexed()->open(RelPath::parse("d")); });
  expect_error(Errc::NotFound, "reading '/': no such file", [&] { indexed()->open(RelPath()); });
}

TEST_F(LayerIndexTest, RandomStacksGiveTheSameTreesByIndexAndByDiffDirectory) {
  for (std::uint64_t seed = 1; seed <= 30 && !HasFailure(); ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    RandomLayers random(seed);
    std::vector<std::shared_ptr<const LayerTree>> by_index;
    std::vector<std::shared_ptr<const LayerTree>> by_diff;
    const auto cache = make_index_page_cache(8);
    for (int layer = 0; layer < 4; ++layer) {
      const std::string name = fmt::format("{}-{}", seed, layer);
      make_dir_at(temp_.fd(), name, 0755);
      const Fd dir = open_dir_at(temp_.fd(), name);
      make_dir_at(dir.get(), "diff", 0755);
      // Each layer is unpacked on what the indexes of the layers below it say.
      const auto writer = make_overlay_diff_writer(open_dir_at(dir.get(), "diff"),
                                                   make_union_view(by_index), Context{});
      for (int i = 0; i < 25; ++i) {
        const LayerItem item = random.next();
        MemorySource contents(item.contents);
        try {
          writer->add(item.entry, contents);
        } catch (const Error& error) {
          ASSERT_EQ(static_cast<int>(error.code()), static_cast<int>(Errc::Invalid));
        }
      }
      writer->finish();
      write_layer_index(dir.get());
      EXPECT_TRUE(verify_layer_index(dir.get(), name).empty());
      by_diff.push_back(make_overlay_diff_tree(open_dir_at(dir.get(), "diff")));
      by_index.push_back(make_layer_index_tree(
          open_at(dir.get(), "index", O_RDONLY), name, cache, [&temp = temp_, name] {
            return open_dir_at(open_dir_at(temp.fd(), name).get(), "diff");
          }));
      expect_same_below(*by_index.back(), *by_diff.back(), RelPath());
      for (int i = 0; i < 50; ++i)
        expect_same_answers(*by_index.back(), *by_diff.back(), RelPath::parse(random.path()));
    }
    expect_same_tree(dump_tree(*make_union_view(by_index)), dump_tree(*make_union_view(by_diff)),
                     "union of indexes");
  }
}

TEST_F(LayerIndexTest, FindsEveryNameOfDirectoriesOfManyPages) {
  LayerItems items;
  for (const char* place : {"a", "b", "c"}) {
    items.push_back(dir(place));
    for (int i = 0; i < 700; ++i) {
      const std::string stem = fmt::format("{}/{:03}", place, i * 7 % 700);
      items.push_back(file(i % 50 == 0 ? stem + std::string(252, 'n') : stem));
    }
  }
  unpack(items);
  const auto tree = indexed();
  for (const LayerItem& item : items) {
    ASSERT_TRUE(tree->lookup(item.entry.path)) << item.entry.path.str();
    const RelPath other = RelPath::parse(item.entry.path.str().substr(0, 250) + "-");
    EXPECT_FALSE(tree->lookup(other)) << other.str();
  }
  EXPECT_FALSE(tree->lookup(RelPath::parse("a/!")));
  EXPECT_FALSE(tree->lookup(RelPath::parse("c/zzz")));
  EXPECT_EQ(tree->list(RelPath::parse("b")), unindexed()->list(RelPath::parse("b")));
}

TEST_F(LayerIndexTest, GoesDeeperThanDescriptorsAllow) {
  std::string path = "0";
  LayerItems items{dir(path)};
  for (int depth = 1; depth < 1500; ++depth)
    items.push_back(dir(path += "/" + std::to_string(depth % 10)));
  items.push_back(dir("1"));
  items.push_back(dir(path + "/side"));
  unpack(items);
  EXPECT_TRUE(indexed()->lookup(RelPath::parse(path + "/side")));
  EXPECT_TRUE(indexed()->lookup(RelPath::parse("1")));
  EXPECT_TRUE(verify_layer_index(temp_.fd(), "deep").empty());
}

TEST_F(LayerIndexTest, KnowsTheWhiteoutsOfAufsDirectories) {
  make_dirs(diff_path("d/e"), 0755);
  for (const char* name : {".wh.gone", ".wh..wh.aufs", "d/.wh.a", "d/b", "d/e/.wh..wh..opq"})
    write_file_at(diff().get(), name, "", 0644);
  constexpr DiffFormat kAufs = DiffFormat::aufs();
  write_layer_index(temp_.fd(), kAufs);
  expect_same_below(*indexed(), *make_diff_tree(diff(), kAufs), RelPath());
  EXPECT_EQ(indexed()->list(RelPath()), (Names{"d", "gone"}));
  EXPECT_TRUE(indexed()->lookup(RelPath::parse("d/a"))->is_whiteout());
  EXPECT_TRUE(indexed()->hides_lower(RelPath::parse("d/e/x")));
  EXPECT_TRUE(verify_layer_index(temp_.fd(), "aufs", 10, kAufs).empty());
  write_file_at(diff().get(), ".wh..wh..opq", "", 0644);
  write_layer_index(temp_.fd(), kAufs);
  EXPECT_TRUE(indexed()->hides_lower(RelPath()));
  expect_same_below(*indexed(), *make_diff_tree(diff(), kAufs), RelPath());
}

TEST_F(LayerIndexTest, AnEmptyLayerHasARoot) {
  unpack({});
  EXPECT_EQ(indexed()->list(RelPath()), Names{});
  EXPECT_TRUE(indexed()->lookup(RelPath())->is_directory());
  EXPECT_FALSE(indexed()->hides_lower(RelPath()));
}

TEST_F(LayerIndexTest, IsReplacedAsAWholeAndPrivate) {
  unpack({file("a")});
  const mode_t old_mask = ::umask(0277);
  ASSERT_EQ(::mknod(diff_path("b").c_str(), S_IFREG | 0644, 0), 0);
  write_layer_index(temp_.fd());
  ::umask(old_mask);
  EXPECT_EQ(indexed()->list(RelPath()), (Names{"a", "b"}));
  EXPECT_EQ(stat_at(temp_.fd(), "index")->mode, 0600U);
  EXPECT_EQ(list_dir(temp_.fd()).size(), 2U);
}

TEST_F(LayerIndexTest, TheSameLayerHasTheSameBytes) {
  unpack({dir("d"), file("d/a"), file("d/b"), symlink("l", "x")});
  const std::string first = index_bytes();
  write_layer_index(temp_.fd());
  EXPECT_EQ(index_bytes(), first);
  EXPECT_EQ(first.substr(0, 16), "layerkit-index 1");
}

TEST_F(LayerIndexTest, VerifyNamesWhatDiffers) {
  unpack({dir("d"), file("d/gone"), file("d/longer", "1"), file("d/same"), dir("e"), file("e/f"),
          dir("g"), file("g/f"), dir("h")});
  EXPECT_TRUE(verify_layer_index(temp_.fd(), "x").empty());
  write_file_at(diff().get(), "d/longer", "12", 0644);
  unlink_at(diff().get(), "d/gone");
  write_file_at(diff().get(), "d/new", "", 0644);
  ASSERT_EQ(::chmod(diff_path("h").c_str(), 0700), 0);
  remove_tree_at(diff().get(), "g");
  write_file_at(diff().get(), "g", "now a file", 0644);
  remove_tree_at(diff().get(), "e");
  std::map<std::string, IndexDifference::Kind> found;
  for (const IndexDifference& difference : verify_layer_index(temp_.fd(), "x"))
    EXPECT_TRUE(found.emplace(difference.path.str(), difference.kind).second);
  using Kind = IndexDifference::Kind;
  // The times of the directories changed with their contents.
  EXPECT_EQ(found, (std::map<std::string, Kind>{{"", Kind::Changed},
                                                {"d", Kind::Changed},
                                                {"d/gone", Kind::NotInDiff},
                                                {"d/longer", Kind::Changed},
                                                {"d/new", Kind::NotInIndex},
                                                {"e", Kind::NotInDiff},
                                                {"g", Kind::Changed},
                                                {"h", Kind::Changed}}));
  EXPECT_EQ(verify_layer_index(temp_.fd(), "x", 2).size(), 2U);
  unlink_at(temp_.fd(), "index");
  expect_error(Errc::NotFound, "'index'", [&] { verify_layer_index(temp_.fd(), "x"); });
}

TEST_F(LayerIndexTest, EveryDamagedByteIsNoticedAndTheLayerNamed) {
  unpack({dir("d"), file("d/a", "x").xattr("user.k", "v"), symlink("l", "d/a")});
  const std::string whole = index_bytes();
  const auto read_everything = [this] { dump_tree(*indexed()); };
  for (std::size_t at = 0; at < whole.size(); at += 1 + at % 61) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    put_index(damaged);
    expect_error(Errc::Integrity, "reading the index of layer 'test-layer': ", read_everything);
    if (HasFailure()) FAIL() << "byte " << at;
  }
  for (const std::size_t size : {std::size_t{0}, std::size_t{100}, kPageBytes, whole.size() - 1}) {
    put_index(whole.substr(0, size));
    expect_error(Errc::Integrity, "reading the index of layer 'test-layer': ", read_everything);
  }
  put_index(whole + std::string(kPageBytes, '\0'));
  expect_error(Errc::Integrity, "bytes, its header says", read_everything);
  // Whole pages at wrong places.
  put_index(whole.substr(0, kPageBytes) + whole.substr(2 * kPageBytes, kPageBytes) +
            whole.substr(kPageBytes, kPageBytes) + whole.substr(3 * kPageBytes));
  expect_error(Errc::Integrity, "the checksum of page ", read_everything);
}

/// Checksums keep accidents out; nothing else keeps out who can compute them.
TEST_F(LayerIndexTest, PagesMadeToDeceiveAreErrorsAtMost) {
  unpack({dir("d"), dir("d/e"), file("d/e/a", "x").xattr("user.k", "v"), symlink("l", "d/a"),
          dir("z")});
  const std::string whole = index_bytes();
  int refused = 0;
  for (std::uint64_t seed = 1; seed <= 800; ++seed) {
    RandomLayers random(seed);
    const std::size_t number = random.below(whole.size() / kPageBytes);
    put_index(with_page(whole, number, [&](Page& page) {
      // Where something stands: the front of a page, and the slots at its end.
      const std::size_t at = random.below(2) == 0
                                 ? random.below(420)
                                 : layer_index::kPayloadBytes - 1 - random.below(16);
      page.at(at) = static_cast<std::byte>(random.below(256));
    }));
    try {
      const auto tree = indexed();
      tree->lookup(RelPath::parse("d/e/a"));
      tree->lookup(RelPath::parse("l"));
      tree->hides_lower(RelPath::parse("d/e/x"));
      tree->list(RelPath::parse("d"));
      verify_layer_index(temp_.fd(), "test-layer");
    } catch (const Error& error) {
      const bool expected = error.code() == Errc::Integrity || error.code() == Errc::NotFound;
      EXPECT_TRUE(expected) << "seed " << seed << ": " << error.what();
      if (error.code() == Errc::Integrity) ++refused;
    }
  }
  EXPECT_GT(refused, 40);
}

}  // namespace
}  // namespace layerkit::testing
