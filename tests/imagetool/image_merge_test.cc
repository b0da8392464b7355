#include "layerkit/imagetool/image_merge.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "expect_error.h"
#include "random_stack.h"

namespace layerkit::testing {
namespace {

std::vector<std::string> created_by(const Image& image) {
  std::vector<std::string> texts;
  for (const HistoryStep& step : image.history())
    texts.push_back(step.created_by);
  return texts;
}

/// Several stacks, which may have their lowest layers in common, and others made of the same items.
std::vector<RandomStack> related_stacks(std::uint64_t seed) {
  RandomStack base(seed);
  base.add_layers(base.below(3));
  const std::size_t count = 2 + base.below(2);
  std::vector<RandomStack> stacks;
  for (std::size_t i = 0; i < count; ++i) {
    RandomStack stack(seed * 10 + i);
    for (const LayerItems& items : base.layers())
      EXPECT_TRUE(stack.put_on(items));
    stack.add_layers(1 + stack.below(2));
    RandomStack with_copy = stack;
    if (i > 0 && stack.below(2) == 0 && with_copy.put_on(stacks.back().layers().back())) {
      stack = with_copy;
    }
    stacks.push_back(std::move(stack));
  }
  return stacks;
}

std::vector<std::shared_ptr<ImageSource>> images_of(const std::vector<RandomStack>& stacks) {
  std::vector<std::shared_ptr<ImageSource>> images;
  for (const RandomStack& stack : stacks)
    images.push_back(stack.image());
  return images;
}

TEST(StackImagesTest, LayersOfOneActOnThoseOfTheOtherAsApplyingThemInTurnDoes) {
  std::size_t applied = 0;
  for_each_seed([&](std::uint64_t seed) {
    std::vector<RandomStack> stacks = related_stacks(seed);
    stacks.resize(2, RandomStack(0));
    const auto images = images_of(stacks);
    std::size_t shared = 0;
    const auto& one = images[0]->image().diff_ids();
    const auto& other = images[1]->image().diff_ids();
    while (shared < one.size() && shared < other.size() && one[shared] == other[shared])
      ++shared;
    RandomStack wanted = stacks[0];
    bool can_be = true;
    for (std::size_t i = shared; can_be && i < other.size(); ++i)
      can_be = wanted.put_on(stacks[1].layers()[i]);
    if (!can_be) {
      expect_error(Errc::Invalid, "of the new image",
                   [&] { stack_images(images, images[1]->image(), Context()); });
      return;
    }
    ++applied;
    const SaveItem item = stack_images(images, images[1]->image(), Context());
    EXPECT_EQ(tars_of(item), wanted.tars());
    EXPECT_EQ(item.image.history().size(), wanted.layers().size());
    MemoryImage result(tars_of(item));
    expect_tree(*result.tree(), wanted.dumps().back(), "stacked");
  });
  EXPECT_GT(applied, kStacks / 2);
}

TEST(StackImagesTest, WhatBothBeginWithIsThereOnce) {
  const std::string base = tar_of(LayerItems{file("a", "1")});
  const std::string left = tar_of(LayerItems{file("b", "2")});
  const std::string right = tar_of(LayerItems{whiteout("a"), file("c", "3")});
  const auto image = [](const std::vector<std::string>& tars) {
    return std::make_shared<MemoryImage>(tars);
  };
  const auto one = image({base, left});
  const auto other = image({base, right});
  const SaveItem item = stack_images({one, other}, one->image(), Context());
  EXPECT_EQ(tars_of(item), (std::vector<std::string>{base, left, right}));
  EXPECT_EQ(created_by(item.image), (std::vector<std::string>{"layer 1", "layer 2", "layer 2"}));
  // Only from the base on: further up a layer means something else.
  const SaveItem apart = stack_images({image({left, base}), other}, one->image(), Context());
  EXPECT_EQ(apart.layers.size(), 4U);
  const SaveItem same = stack_images({one, one, one}, one->image(), Context());
  EXPECT_EQ(same.image.id(), stack_images({one}, one->image(), Context()).image.id());
}

/// The union of trees as dumps tell it, by the words of docs/IMAGES.md and nothing else.
class MergeModel {
 public:
  MergeModel(std::vector<TreeDump> trees, bool takes_last)
      : trees_(std::move(trees)), takes_last_(takes_last) {
    std::set<std::string> paths;
    for (const TreeDump& tree : trees_) {
      for (const auto& [path, line] : tree)
        paths.insert(path);
    }
    for (const std::string& path : paths)
      visit(path);
    add_links();
  }

  const TreeDump& merged() const { return merged_; }
  const std::vector<std::string>& conflicts() const { return conflicts_; }

 private:
  using File = std::pair<std::size_t, std::string>;  // tree, first name

  static bool is_directory(const std::string& line) { return line.starts_with("dir "); }
  /// What has to be equal: of a directory all but its time, the fourth word.
  static std::string compared(const std::string& line) {
    if (!is_directory(line)) return without_link(line);
    std::vector<std::string_view> words = split(line, ' ');
    words.erase(words.begin() + 3);
    return fmt::format("{}", fmt::join(words, " "));
  }
  File file_at(std::size_t tree, const std::string& path) const {
    const std::string& line = trees_[tree].at(path);
    const std::size_t at = line.find(" same file as ");
    return {tree, at == std::string::npos ? path : line.substr(at + 14)};
  }
  File root_of(File file) const {
    while (united_.contains(file) && united_.at(file) != file)
      file = united_.at(file);
    return file;
  }

  void visit(const std::string& path) {
    std::vector<std::size_t> having;
    const auto slash = path.rfind('/');
    const std::string parent = slash == std::string::npos ? "" : path.substr(0, slash);
    for (std::size_t tree = 0; tree < trees_.size(); ++tree) {
      const bool takes_part = path.empty() || merging_[parent].contains(tree);
      if (takes_part && trees_[tree].contains(path)) having.push_back(tree);
    }
    if (having.empty()) return;
    const std::size_t taken = takes_last_ ? having.back() : having.front();
    const std::string& line = trees_[taken].at(path);
    merged_[path] = without_link(line);
    bool differs = false;
    for (const std::size_t tree : having) {
      const std::string& own = trees_[tree].at(path);
      differs = differs || compared(own) != compared(trees_[having.front()].at(path));
      if (is_directory(line) && is_directory(own)) merging_[path].insert(tree);
      for (const std::size_t other : having) {
        const bool is_equal =
            !is_directory(own) && without_link(own) == without_link(trees_[other].at(path));
        if (is_equal) united_[root_of(file_at(tree, path))] = root_of(file_at(other, path));
      }
    }
    if (differs) conflicts_.push_back("/" + path);
    if (!is_directory(line)) file_of_[path] = file_at(taken, path);
  }

  void add_links() {
    std::map<File, std::string> first_names;
    for (const auto& [path, file] : file_of_) {
      const auto [first, added] = first_names.try_emplace(root_of(file), path);
      if (!added) merged_[path] += " same file as " + first->second;
    }
  }

  std::vector<TreeDump> trees_;
  bool takes_last_;
  TreeDump merged_;
  std::vector<std::string> conflicts_;
  std::map<std::string, std::set<std::size_t>> merging_;  ///< the trees with a part in a directory
  std::map<File, File> united_;
  std::map<std::string, File> file_of_;
};

/// Whether there were conflicts.
bool check_merge(const std::vector<RandomStack>& stacks, OnConflict on_conflict) {
  const auto images = images_of(stacks);
  std::vector<TreeDump> dumps;
  for (const RandomStack& stack : stacks)
    dumps.push_back(stack.dumps().back());
  const MergeModel wanted(dumps, on_conflict == OnConflict::Last);
  std::vector<std::string> conflicts;
  const auto report = [&](const TreeConflict& conflict) {
    conflicts.push_back(conflict.path.absolute());
    EXPECT_FALSE(conflict.differences.empty());
    EXPECT_GT(conflict.versions.size(), 1U);
  };
  const auto merge = [&] {
    return merge_trees(images, images[1]->image(), on_conflict, report, Context());
  };
  if (on_conflict == OnConflict::Fail && !wanted.conflicts().empty()) {
    expect_error(Errc::Exists, "first at '" + wanted.conflicts().front() + "'", merge);
    EXPECT_EQ(conflicts, wanted.conflicts());
    return true;
  }
  const SaveItem item = merge();
  EXPECT_EQ(conflicts, wanted.conflicts());
  std::vector<std::string> tars = tars_of(item);
  MemoryImage result(tars);
  expect_tree(*result.tree(), wanted.merged(), "merged");
  tars.pop_back();
  EXPECT_EQ(tars, stacks[0].tars());
  EXPECT_EQ(item.image.history().size(), tars.size() + 1);
  const SaveItem unreported = merge_trees(images, images[1]->image(), on_conflict, {}, Context());
  EXPECT_EQ(unreported.image.id(), item.image.id());
  return !conflicts.empty();
}

TEST(MergeTreesTest, RandomTreesAreTheirUnionByTheDefinition) {
  std::size_t without_conflict = 0;
  for_each_seed([&](std::uint64_t seed) {
    const std::vector<RandomStack> stacks = related_stacks(seed);
    check_merge(stacks, OnConflict::First);
    check_merge(stacks, OnConflict::Last);
    if (!check_merge(stacks, OnConflict::Fail)) ++without_conflict;
  });
  EXPECT_GT(without_conflict, kStacks / 100);
}

std::shared_ptr<ImageSource> image_of(const LayerItems& items) {
  return std::make_shared<MemoryImage>(std::vector<std::string>{tar_of(items)});
}

TreeDump merged(const std::vector<std::shared_ptr<ImageSource>>& images, OnConflict on_conflict) {
  const SaveItem item = merge_trees(images, images[0]->image(), on_conflict, {}, Context());
  MemoryImage result(tars_of(item));
  return dump_with_links(*result.tree());
}

TEST(MergeTreesTest, AFileOfOneAndADirectoryOfAnotherAreAConflict) {
  const auto directory = image_of({dir("a"), file("a/x", "1")});
  const auto other = image_of({file("a", "2")});
  expect_error(Errc::Exists, "differ at 1 path, first at '/a'", [&] {
    merged({directory, other}, OnConflict::Fail);
  });
  EXPECT_TRUE(merged({directory, other}, OnConflict::First).contains("a/x"));
  EXPECT_FALSE(merged({directory, other}, OnConflict::Last).contains("a/x"));
  EXPECT_TRUE(merged({other, directory}, OnConflict::Last).contains("a/x"));
}

TEST(MergeTreesTest, DirectoriesMergeRoundAFileThatIsNotTaken) {
  const auto one = image_of({dir("a"), file("a/x", "1")});
  const auto two = image_of({file("a", "2")});
  const auto three = image_of({dir("a"), file("a/y", "3")});
  for (const OnConflict policy : {OnConflict::First, OnConflict::Last}) {
    const TreeDump tree = merged({one, two, three}, policy);
    EXPECT_TRUE(tree.contains("a/x"));
    EXPECT_TRUE(tree.contains("a/y"));
  }
}

TEST(MergeTreesTest, TimesOfDirectoriesAreNoConflictOtherAttributesAre) {
  const auto one = image_of({dir("a").mtime(1), file("a/x", "1")});
  const auto two = image_of({dir("a").mtime(2), file("a/y", "2")});
  const TreeDump tree = merged({one, two}, OnConflict::Fail);
  EXPECT_NE(tree.at("a").find(" 1.0"), std::string::npos) << tree.at("a");
  const auto closed = image_of({dir("a").mode(0700)});
  expect_error(Errc::Exists, "'/a'", [&] { merged({one, closed}, OnConflict::Fail); });
  const TreeDump last = merged({one, closed}, OnConflict::Last);
  EXPECT_TRUE(last.at("a").starts_with("dir 0700")) << last.at("a");
  EXPECT_TRUE(last.contains("a/x"));
}

TEST(MergeTreesTest, LinksOfOneImageHoldThroughAnEqualFileOfAnother) {
  const auto plain = image_of({file("x", "1")});
  const auto linked = image_of({file("x", "1"), link("y", "x")});
  for (const OnConflict policy : {OnConflict::Fail, OnConflict::First, OnConflict::Last}) {
    EXPECT_NE(merged({plain, linked}, policy).at("y").find("same file as x"), std::string::npos);
    EXPECT_NE(merged({linked, plain}, policy).at("y").find("same file as x"), std::string::npos);
  }
}

TEST(MergeTreesTest, ConflictsSayWhoHasWhatAndWhoseIsTaken) {
  const auto one = image_of({file("a", "1"), file("b", "same")});
  const auto two = image_of({file("a", "2"), file("b", "same")});
  const auto three = image_of({file("a", "22").mode(0600)});
  std::vector<TreeConflict> conflicts;
  merge_trees(
      {one, two, three}, one->image(), OnConflict::Last,
      [&](const TreeConflict& conflict) { conflicts.push_back(conflict); }, Context());
  ASSERT_EQ(conflicts.size(), 1U);
  EXPECT_EQ(conflicts[0].path.str(), "a");
  EXPECT_EQ(conflicts[0].differences, (std::vector<std::string>{"contents", "mode", "size"}));
  ASSERT_EQ(conflicts[0].versions.size(), 3U);
  EXPECT_EQ(conflicts[0].versions[2].image, 2U);
  EXPECT_EQ(conflicts[0].versions[2].entry.mode, 0600U);
  EXPECT_EQ(conflicts[0].taken, 2U);
}

}  // namespace
}  // namespace layerkit::testing
