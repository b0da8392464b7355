#include <fcntl.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "layer_items.h"
#include "layerkit/base/file.h"
#include "layerkit/base/whiteout.h"
#include "layerkit/layerstore/layer_outline.h"
#include "layerkit/layerstore/name_sorter.h"
#include "sort_record.h"
#include "waste/efficiency_counter.h"
#include "waste/hidden_files.h"
#include "waste/stack_walk.h"
#include "waste/top_list.h"

namespace layerkit::testing {
namespace {

Fd temporary_directory() {
  return open_dir_at(AT_FDCWD, "/tmp");
}

TEST(SortRecordTest, PathsSortAsAWalkComesByThem) {
  const Fd directory = temporary_directory();
  NameSorter sorter(directory.get());
  const std::vector<std::string> sorted = {"", "a", "a/\x01", "a/b", "a/b/c", "a!", "a-b", "ab"};
  for (auto path = sorted.rbegin(); path != sorted.rend(); ++path)
    sorter.add(SortRecord().path(RelPath::parse(*path)).u32(0xffffffff).str());
  for (const std::string& path : sorted) {
    RecordFields fields(sorter.next().value());
    EXPECT_EQ(fields.path().str(), path);
    EXPECT_EQ(fields.u32(), 0xffffffff);
  }
  EXPECT_FALSE(sorter.next());
}

TEST(SortRecordTest, NumbersSortByValueAndComeBack) {
  const std::string small = SortRecord().u64(255).u8(7).bytes("xy").str();
  EXPECT_LT(small, SortRecord().u64(256).str());
  RecordFields fields(small);
  EXPECT_EQ(fields.u64(), 255);
  EXPECT_EQ(fields.u8(), 7);
  EXPECT_EQ(fields.bytes(2), "xy");
}

TEST(TopListTest, KeepsTheDearestAndOfEqualOnesTheFirst) {
  TopList<std::string> list(2);
  list.add(1, "one");
  list.add(5, "five");
  list.add(5, "another five");
  list.add(2, "two");
  EXPECT_EQ(std::move(list).take(), (std::vector<std::string>{"five", "another five"}));
  TopList<std::string> none(0);
  none.add(1, "one");
  EXPECT_TRUE(std::move(none).take().empty());
}

LayerEfficiency count(const std::vector<LayerItems>& layers) {
  const Fd directory = temporary_directory();
  EfficiencyCounter counter(directory.get(), layers.size());
  for (std::size_t i = 0; i < layers.size(); ++i) {
    for (const LayerItem& item : layers[i])
      counter.add(i, item.entry);
  }
  return counter.finish(Context());
}

TEST(EfficiencyCounterTest, NothingIsEfficient) {
  EXPECT_EQ(count({}).score, 1);
  EXPECT_EQ(count({{dir("a"), file("a/empty")}}).score, 1);
}

TEST(EfficiencyCounterTest, APathInSeveralLayersCostsAllButItsSmallestVersion) {
  const LayerEfficiency found = count({{file("a", "1234"), file("b", "1")}, {file("a", "12")}});
  EXPECT_DOUBLE_EQ(found.score, 3.0 / 7.0);
  EXPECT_EQ(found.wasted_bytes, 6);
}

TEST(EfficiencyCounterTest, AWhiteoutMakesAllOfAFileWaste) {
  const LayerEfficiency found = count({{file("d/a", "1234")}, {file("d/.wh.a")}});
  EXPECT_DOUBLE_EQ(found.score, 0);
  EXPECT_EQ(found.wasted_bytes, 4);
}

TEST(EfficiencyCounterTest, AWhiteoutOfADirectoryHasTheSizeOfWhatItRemoves) {
  // The directory itself is no leaf where it has something in it: its path stands in one layer.
  const LayerEfficiency found = count({{dir("d"), file("d/a", "1234"), file("d/e/b", "1")},
                                       {dir("d"), file("d/a", "12")},
                                       {file(".wh.d")}});
  EXPECT_DOUBLE_EQ(found.score, (2.0 + 1 + 3) / (6 + 1 + 3));
  EXPECT_EQ(found.wasted_bytes, 6);
}

TEST(EfficiencyCounterTest, WhatWasRemovedBeforeIsNotRemovedAgain) {
  const LayerEfficiency found = count({{dir("d"), file("d/a", "1234")},
                                       {file(".wh.d")},
                                       {dir("d"), file("d/b", "1")},
                                       {file(".wh.d")}});
  EXPECT_DOUBLE_EQ(found.score, (4.0 + 1 + 1) / (4 + 1 + 5));
  EXPECT_EQ(found.wasted_bytes, 5);
}

TEST(EfficiencyCounterTest, MarkersAreLeftOutAndTheLastEntryOfAPathCounts) {
  const LayerEfficiency found = count(
      {{file("d/a", "12"), file("d/a", "1234")}, {file("d/.wh..wh..opq"), file(".wh.nothing")}});
  EXPECT_DOUBLE_EQ(found.score, 1);
  EXPECT_EQ(found.wasted_bytes, 0);
}

/// A layer's tree, made of what a test writes down.
std::shared_ptr<const LayerTree> outline(const LayerItems& items,
                                         std::shared_ptr<const LayerTree> lower) {
  std::string tar;
  MemorySink sink(tar);
  const auto writer = make_tar_writer(sink);
  for (const LayerItem& item : items) {
    MemorySource contents(item.contents);
    writer->add(item.entry, contents);
  }
  writer->finish();
  MemorySource source(tar);
  const auto no_contents = [](std::uint64_t, std::uint64_t) { return nullptr; };
  return outline_layer(source, std::move(lower), no_contents,
                       std::make_shared<const Fd>(temporary_directory()), Context());
}

HiddenFiles::Trees stack_of(const std::vector<LayerItems>& layers) {
  HiddenFiles::Trees trees;
  for (const LayerItems& items : layers)
    trees.push_back(outline(items, trees.empty() ? nullptr : make_union_view(trees)));
  return trees;
}

TEST(StackWalkTest, TellsWhichLayerHidesWhat) {
  const auto trees = stack_of({{dir("d"), file("d/a", "1"), file("f", "2"), dir("x"), file("x/y")},
                               {dir("d"), opaque("d"), file("d/b", "3"), file("f", "4")},
                               {whiteout("d"), file("x")}});
  std::vector<std::string> seen;
  walk_stack(
      trees,
      [&](const RelPath& path, const std::vector<StackedVersion>& versions) {
        std::string line = path.str();
        for (const StackedVersion& version : versions) {
          line += " " + std::to_string(version.layer);
          if (!version.hiding) continue;
          line += std::string("-") + std::to_string(version.hiding->layer) + "(" +
                  std::string(hiding_text(version.hiding->kind)) + ")";
        }
        seen.push_back(line);
      },
      Context());
  EXPECT_EQ(seen, (std::vector<std::string>{"d 0-1(opaque directory) 1-2(whiteout)",
                                            "d/a 0-1(opaque directory)", "d/b 1-2(whiteout)",
                                            "f 0-1(replaced) 1", "x 0-2(replaced) 2",
                                            "x/y 0-2(replaced)"}));
}

TEST(HiddenFilesTest, AFileIsSeenAsLongAsOneOfItsNamesIs) {
  const auto trees = stack_of({{file("a", "1234"), link("b", "a"), file("c", "12"), link("d", "c")},
                               {whiteout("a"), whiteout("c")},
                               {file("d", "1")}});
  const Fd directory = temporary_directory();
  const auto found = HiddenFiles(directory.get(), trees).run(10, Context());
  EXPECT_EQ(found.shown_bytes, 5);
  EXPECT_EQ(found.hidden_bytes, 2);
  ASSERT_EQ(found.paths.size(), 1);
  EXPECT_EQ(found.paths[0].path.str(), "c");
  EXPECT_EQ(found.paths[0].files[0].hiding.layer, 2);
}

TEST(HiddenFilesTest, ALinkIntoALowerLayerShowsTheLowerFile) {
  const auto trees = stack_of({{file("a", "1234")}, {link("0", "a")}, {whiteout("a")}});
  const Fd directory = temporary_directory();
  HiddenFiles shown(directory.get(), trees);
  shown.add_linked_lower(1, RelPath::parse("a"));
  const auto found = shown.run(10, Context());
  EXPECT_EQ(found.shown_bytes, 4);
  EXPECT_EQ(found.hidden_bytes, 0);
}

}  // namespace
}  // namespace layerkit::testing
