#include "layerkit/imagetool/image_split.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "expect_error.h"
#include "random_stack.h"

namespace layerkit::testing {
namespace {

using Groups = std::vector<std::vector<RelPath>>;

std::vector<Entry> entries_of(const std::string& tar) {
  MemorySource source(tar);
  const auto reader = make_tar_reader(source, TarDialect::Layer);
  std::vector<Entry> entries;
  while (auto entry = reader->next())
    entries.push_back(*std::move(entry));
  return entries;
}

std::vector<std::string> names_of(const std::string& tar) {
  std::vector<std::string> names;
  for (const Entry& entry : entries_of(tar)) {
    const std::string mark = entry.hides == Hides::Path    ? "whiteout "
                             : entry.hides == Hides::Below ? "opaque "
                                                           : "";
    names.push_back(mark + entry.path.str());
  }
  return names;
}

bool is_in(const std::vector<RelPath>& group, const RelPath& path) {
  return std::ranges::any_of(group, [&](const RelPath& top) { return top.contains(path); });
}

/// Some paths that the layer has, in groups none of which stands in another.
Groups random_groups(RandomStack& stack, const LayerTree& layer) {
  std::vector<RelPath> found;
  std::vector<RelPath> left{RelPath()};
  while (!left.empty()) {
    const RelPath directory = left.back();
    left.pop_back();
    for (const std::string& name : layer.list(directory)) {
      found.push_back(directory / name);
      if (layer.lookup(found.back())->is_directory()) left.push_back(found.back());
    }
  }
  Groups groups;
  const std::size_t count = found.empty() ? 0 : 1 + stack.below(4);
  for (std::size_t i = 0; i < count; ++i) {
    const RelPath& path = found[stack.below(found.size())];
    const auto meets = [&](const RelPath& other) {
      return other.contains(path) || path.contains(other);
    };
    const bool is_free = std::ranges::none_of(
        groups, [&](const auto& group) { return std::ranges::any_of(group, meets); });
    if (!is_free) continue;
    if (groups.empty() || stack.below(2) == 0) groups.emplace_back();
    groups.back().push_back(path);
  }
  return groups;
}

/// Every part holds together alone: links lead to files of it, parents stand in it.
void check_part(const std::string& tar) {
  outline(tar, nullptr);
  std::set<RelPath> objects;
  for (const Entry& entry : entries_of(tar)) {
    const bool has_parent = entry.path.is_root() || entry.path.parent().is_root() ||
                            objects.contains(entry.path.parent());
    EXPECT_TRUE(has_parent) << entry.path.str();
    if (entry.hard_link_target) {
      EXPECT_TRUE(objects.contains(*entry.hard_link_target)) << entry.path.str();
    }
    if (entry.hides == Hides::Nothing) {
      EXPECT_TRUE(objects.insert(entry.path).second) << entry.path.str();
    }
  }
}

/// What lies in a group's layer and not in the group leads there, or is another name of a file.
void check_place(const std::string& tar, const std::vector<RelPath>& group) {
  std::set<std::string> linked;
  for (const Entry& entry : entries_of(tar)) {
    if (!entry.hard_link_target) continue;
    linked.insert(entry.path.str());
    linked.insert(entry.hard_link_target->str());
  }
  for (const Entry& entry : entries_of(tar)) {
    if (is_in(group, entry.path) || linked.contains(entry.path.str())) continue;
    EXPECT_TRUE(entry.is_directory() && entry.hides == Hides::Nothing) << entry.path.str();
  }
}

TEST(SplitLayerTest, RandomCutsShowTheSameTree) {
  for_each_seed([](std::uint64_t seed) {
    RandomStack stack(seed);
    stack.add_layers(1 + stack.below(3));
    const auto source = stack.image();
    const std::size_t index = stack.below(stack.layers().size());
    const Groups groups = random_groups(stack, *source->layer_tree(index));
    if (groups.empty()) return;
    const SaveItem item = split_layer(source, index, groups, Context());
    const std::vector<std::string> tars = tars_of(item);
    ASSERT_EQ(tars.size(), stack.layers().size() + groups.size());
    MemoryImage result(tars);
    const std::size_t end = index + 1 + groups.size();
    expect_tree(*result.view(end), stack.dumps()[index], "all parts");
    expect_tree(*result.tree(), stack.dumps().back(), "with the layers above");
    if (index > 0) {
      expect_tree(*result.view(index), stack.dumps()[index - 1], "below");
    }
    for (const Entry& entry : entries_of(tars[index])) {
      for (const auto& group : groups)
        EXPECT_FALSE(is_in(group, entry.path)) << entry.path.str();
    }
    for (std::size_t part = 0; part <= groups.size(); ++part) {
      check_part(tars[index + part]);
      if (part > 0) check_place(tars[index + part], groups[part - 1]);
    }
    std::vector<std::string> others = tars;
    others.erase(others.begin() + static_cast<std::ptrdiff_t>(index),
                 others.begin() + static_cast<std::ptrdiff_t>(end));
    std::vector<std::string> wanted = stack.tars();
    wanted.erase(wanted.begin() + static_cast<std::ptrdiff_t>(index));
    EXPECT_EQ(others, wanted);
    EXPECT_EQ(item.image.history().size(), tars.size());
  });
}

std::vector<std::string> split(const std::vector<LayerItems>& layers,
                               const std::vector<std::vector<std::string>>& paths) {
  std::vector<std::string> tars;
  for (const LayerItems& items : layers)
    tars.push_back(tar_of(items));
  Groups groups;
  for (const auto& group : paths) {
    groups.emplace_back();
    for (const std::string& path : group)
      groups.back().push_back(RelPath::parse(path));
  }
  return tars_of(
      split_layer(std::make_shared<MemoryImage>(tars), layers.size() - 1, groups, Context()));
}

using Names = std::vector<std::string>;

TEST(SplitLayerTest, AFileWithNamesOnBothSidesGoesUpWithAllOfThem) {
  const auto parts =
      split({{dir("a"), file("a/x", "1"), dir("b"), link("b/y", "a/x"), file("c")}}, {{"b"}});
  EXPECT_EQ(names_of(parts[0]), (Names{"a", "c"}));
  EXPECT_EQ(names_of(parts[1]), (Names{"a", "a/x", "b", "b/y"}));
  const auto three = split(
      {{dir("a"), file("a/x", "1"), dir("b"), link("b/y", "a/x"), dir("c"), link("c/z", "a/x")}},
      {{"c"}, {"b"}});
  EXPECT_EQ(names_of(three[0]), (Names{"a"}));
  EXPECT_EQ(names_of(three[1]), (Names{"c"}));
  EXPECT_EQ(names_of(three[2]), (Names{"a", "a/x", "b", "b/y", "c", "c/z"}));
}

TEST(SplitLayerTest, WhiteoutsAndOpaqueDirectoriesGoWithTheirPaths) {
  const auto parts =
      split({{dir("a"), file("a/x"), dir("b"), file("b/y"), dir("b/c"), file("b/c/z")},
             {dir("a"), whiteout("a/x"), dir("b"), dir("b/c"), opaque("b/c")}},
            {{"a/x", "b/c"}});
  EXPECT_EQ(names_of(parts[1]), (Names{"a", "b"}));
  EXPECT_EQ(names_of(parts[2]), (Names{"a", "whiteout a/x", "b", "b/c", "opaque b/c"}));
}

TEST(SplitLayerTest, TheHistorySaysWhereANewLayerCameFrom) {
  const std::vector<std::string> tars{tar_of(LayerItems{file("a"), file("b"), file("c")}),
                                      tar_of(LayerItems{file("d")})};
  const auto source = std::make_shared<MemoryImage>(tars);
  const SaveItem item =
      split_layer(source, 0, {{RelPath::parse("b"), RelPath::parse("c")}}, Context());
  const std::vector<HistoryStep> history = item.image.history();
  ASSERT_EQ(history.size(), 3U);
  EXPECT_EQ(history[0], source->image().history()[0]);
  EXPECT_EQ(history[1].created_by, "layer 1");
  EXPECT_EQ(history[1].comment, "split from " + source->image().diff_ids()[0].str() + ": /b /c");
  EXPECT_EQ(history[2].created_by, "layer 2");
  EXPECT_EQ(history[2].layer, 2U);
}

TEST(SplitLayerTest, WhatCannotBeCutIsRefused) {
  const std::vector<LayerItems> layer{{dir("a"), file("a/x")}};
  expect_error(Errc::NotFound, "nothing at '/b'", [&] { split(layer, {{"a", "b"}}); });
  expect_error(Errc::Invalid, "root", [&] { split(layer, {{"/"}}); });
  expect_error(Errc::Invalid, "'/a/x'", [&] { split(layer, {{"a/x"}, {"a"}}); });
  expect_error(Errc::Invalid, "'/a/x'", [&] { split(layer, {{"a"}, {"a/x"}}); });
  expect_error(Errc::Invalid, "'/a'", [&] { split(layer, {{"a"}, {"a"}}); });
  const auto parts = split(layer, {{"a", "a/x"}});
  EXPECT_EQ(names_of(parts[0]), Names{});
  EXPECT_EQ(names_of(parts[1]), (Names{"a", "a/x"}));
  const auto source = std::make_shared<MemoryImage>(std::vector<std::string>{});
  expect_error(Errc::Invalid, "the image has 0",
               [&] { split_layer(source, 0, {{RelPath::parse("a")}}, Context()); });
}

}  // namespace
}  // namespace layerkit::testing
