#include "outline_table.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "layer_outlines.h"
#include "layerkit/layerstore/tree_reader.h"
#include "memory_files.h"
#include "temp_dir.h"

namespace layerkit::testing {
namespace {

/// More than a table keeps in memory, with names of all lengths.
LayerItems many_items() {
  LayerItems items;
  for (unsigned d = 0; d < 60; ++d) {
    const std::string path = fmt::format("dir{}/{}", d % 7, std::string(1 + d * 4 % 200, 'd'));
    for (unsigned f = 0; f < 120; ++f) {
      const std::string name = fmt::format("{}/{}-{}", path, std::string(f % 130 + 1, 'n'), f);
      if (f % 10 == 3) {
        items.push_back(symlink(name, std::string(1 + f * 5, 't')));
      } else {
        items.push_back(file(name, fmt::format("contents of {}", name)).xattr("user.name", name));
      }
    }
  }
  return items;
}

TEST(OutlineTableTest, ALayerIsTheSameInWhateverOrderItsEntriesCome) {
  LayerItems items = many_items();
  const TreeDump wanted = dump_with_links(*outline(tar_of(items), nullptr));
  EXPECT_GT(wanted.size(), 7000U);
  std::mt19937_64 random(1);
  for (int round = 0; round < 3; ++round) {
    std::ranges::shuffle(items, random);
    expect_same_tree(dump_with_links(*outline(tar_of(items), nullptr)), wanted, "shuffled");
  }
  std::ranges::reverse(items);
  expect_same_tree(dump_with_links(*outline(tar_of(items), nullptr)), wanted, "reversed");
}

TEST(OutlineTableTest, PathsAreFoundInAnyOrder) {
  LayerItems items = many_items();
  const Tree tree = outline(tar_of(items), nullptr);
  std::mt19937_64 random(2);
  std::ranges::shuffle(items, random);
  for (const LayerItem& item : items) {
    const RelPath& path = item.entry.path;
    const auto found = tree->lookup(path);
    ASSERT_TRUE(found) << path.str();
    ASSERT_EQ(*found, item.entry);
    if (item.entry.type == FileType::Regular) {
      ASSERT_EQ(read_all(*tree->open(path), 1000, "it"), item.contents);
    }
    for (const char* absent : {"0", "~", "x/y", "x/y/z"}) {
      RelPath none = path.parent() / RelPath::parse(absent);
      ASSERT_FALSE(tree->lookup(none)) << none.str();
      ASSERT_FALSE(tree->lookup(path / RelPath::parse(absent))) << path.str();
    }
  }
}

TEST(OutlineTableTest, ADirectoryIsAskedInAnyOrder) {
  LayerItems items;
  std::vector<std::string> names;
  for (int i = 0; i < 500; ++i) {
    names.push_back(fmt::format("{:03}", i));
    items.push_back(file("d/" + names.back(), names.back()));
  }
  items.push_back(whiteout("d/gone"));
  const Tree lower = outline(tar_of({file("d/gone")}), nullptr);
  const Tree tree = outline(tar_of(items), lower);
  const auto directory = tree->root_dir()->find("d")->directory;
  std::vector<std::string> listed;
  for (const LayerName& name : directory->list()) {
    EXPECT_EQ(name.is_whiteout, name.name == "gone");
    listed.push_back(name.name);
  }
  EXPECT_TRUE(std::ranges::is_sorted(listed));
  EXPECT_EQ(listed.size(), 501U);
  std::mt19937_64 random(3);
  for (int round = 0; round < 3; ++round) {
    for (const std::string& name : names) {
      const auto child = directory->find(name);
      ASSERT_TRUE(child) << name;
      ASSERT_EQ(child->entry.path.str(), "d/" + name);
      ASSERT_FALSE(directory->find(name + "0"));
    }
    std::ranges::shuffle(names, random);
  }
  EXPECT_TRUE(directory->find("gone")->entry.is_whiteout());
  EXPECT_FALSE(directory->find(""));
}

TEST(OutlineTableTest, AWalkReadsThePagesOfATableAboutOnce) {
  const TempDir temp;
  DraftArena arena(temp.fd());
  MemoryFiles files(arena, [] { return std::vector<TarExtent>(); });
  DraftDir root(&arena);
  root.made = true;
  MemorySource nothing("");
  constexpr int kFiles = 30'000;
  for (int i = 0; i < kFiles; ++i) {
    const std::string name = fmt::format("{:06}", i * 7919LL % kFiles);
    files.create(root, name, fifo(name).entry, nothing);
  }
  OutlineTable table(temp.fd());
  table.write(root, false, [] {});
  const std::uint64_t pages = table.bytes().size() / PagedBytes::kPageBytes + 1;
  EXPECT_GT(pages, 100U);
  const std::uint64_t before = table.bytes().pages_read();
  std::uint32_t guess = 0;
  for (int i = 0; i < kFiles; ++i)
    ASSERT_TRUE(table.find(table.root().record.children, fmt::format("{:06}", i), guess));
  EXPECT_LE(table.bytes().pages_read() - before, pages);
}

}  // namespace
}  // namespace layerkit::testing
