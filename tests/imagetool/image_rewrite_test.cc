#include "layerkit/imagetool/image_rewrite.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "expect_error.h"
#include "random_stack.h"

namespace layerkit::testing {
namespace {

bool is_in(const std::vector<RelPath>& paths, const RelPath& path) {
  return std::ranges::any_of(paths, [&](const RelPath& top) { return top.contains(path); });
}

/// The tree without some paths and all below; what was linked to a name there is linked to the
/// first one left.
TreeDump dump_without(const TreeDump& dump, const std::vector<RelPath>& removed) {
  TreeDump left;
  std::map<std::string, std::string> first_names;
  for (const auto& [path, line] : dump) {
    if (is_in(removed, RelPath::parse(path))) continue;
    const std::size_t at = line.find(" same file as ");
    const std::string file = at == std::string::npos ? path : line.substr(at + 14);
    const auto [first, is_first] = first_names.try_emplace(file, path);
    left[path] = without_link(line);
    if (!is_first) left[path] += " same file as " + first->second;
  }
  return left;
}

/// Some paths that a layer has or shows, perhaps below each other.
std::vector<RelPath> random_paths(RandomStack& stack) {
  std::set<std::string> found;
  for (const TreeDump& dump : stack.dumps()) {
    for (const auto& [path, line] : dump)
      found.insert(path);
  }
  found.erase("");
  std::vector<RelPath> paths;
  for (std::size_t i = found.empty() ? 0 : 1 + stack.below(3); i > 0; --i) {
    const auto chosen =
        std::next(found.begin(), static_cast<std::ptrdiff_t>(stack.below(found.size())));
    paths.push_back(RelPath::parse(*chosen));
  }
  return paths;
}

bool has_any(const std::set<std::string>& touched, const std::vector<RelPath>& paths) {
  return std::ranges::any_of(
      touched, [&](const std::string& path) { return is_in(paths, RelPath::parse(path)); });
}

/// A layer's tar names neither what is removed nor a file there.
void expect_nothing_of(const std::string& tar, const std::vector<RelPath>& removed) {
  MemorySource source(tar);
  const auto reader = make_tar_reader(source, TarDialect::Layer);
  while (const auto entry = reader->next()) {
    EXPECT_FALSE(is_in(removed, entry->path)) << entry->path.str();
    const bool has_target = entry->hard_link_target.has_value();
    EXPECT_FALSE(has_target && is_in(removed, *entry->hard_link_target)) << entry->path.str();
  }
}

/// What somebody could have gone through and can no more.
bool has_symlink_at(const RandomStack& stack, const std::vector<RelPath>& removed) {
  return std::ranges::any_of(stack.dumps(), [&](const TreeDump& dump) {
    return std::ranges::any_of(dump, [&](const auto& shown) {
      return shown.second.starts_with("symlink") && is_in(removed, RelPath::parse(shown.first));
    });
  });
}

void check_removed(const RandomStack& stack,
                   ImageSource& source,
                   const SaveItem& item,
                   const std::vector<RelPath>& removed) {
  const std::vector<std::string> tars = tars_of(item);
  ASSERT_EQ(tars.size(), stack.layers().size());
  EXPECT_EQ(item.image.history(), source.image().history());
  MemoryImage result(tars);
  for (std::size_t i = 0; i < tars.size(); ++i) {
    const DiffId& before = source.image().diff_ids()[i];
    const bool is_kept = item.image.diff_ids()[i] == before;
    if (!has_any(stack.touched()[i], removed)) {
      EXPECT_TRUE(is_kept) << "layer " << i;
    }
    if (!is_kept) expect_nothing_of(tars[i], removed);
    for (const RelPath& path : removed)
      EXPECT_FALSE(result.layer_tree(i)->lookup(path)) << "layer " << i << ": " << path.str();
  }
  expect_tree(*result.tree(), dump_without(stack.dumps().back(), removed), "without the paths");
  // Where a way through a symlink goes, what the upper layers hide may come to lie elsewhere.
  if (has_symlink_at(stack, removed)) return;
  for (std::size_t i = 0; i < tars.size(); ++i)
    expect_tree(*result.view(i + 1), dump_without(stack.dumps()[i], removed), "with each layer");
}

/// Whether a layer links to a removed file of the layers below and then hides it, so that it names
/// what it does not hold.
bool has_lost_target(const RandomStack& stack, const std::vector<RelPath>& removed) {
  for (std::size_t i = 0; i < stack.layers().size(); ++i) {
    const bool links = std::ranges::any_of(stack.layers()[i], [&](const LayerItem& item) {
      return item.entry.hard_link_target && is_in(removed, *item.entry.hard_link_target);
    });
    if (links && !has_any(stack.touched()[i], removed)) return true;
  }
  return false;
}

TEST(RemovePathsTest, RandomStacksLoseThesePathsAndNothingElse) {
  std::size_t refused = 0;
  for_each_seed([&](std::uint64_t seed) {
    RandomStack stack(seed);
    stack.add_layers(1 + stack.below(4));
    const std::vector<RelPath> removed = random_paths(stack);
    if (removed.empty()) return;
    const auto source = stack.image();
    const auto again = said_again(*source);
    check_removed(stack, *again, remove_paths(again, removed, Context()), removed);
    if (!has_symlink_at(stack, removed) && !has_lost_target(stack, removed)) {
      check_removed(stack, *source, remove_paths(source, removed, Context()), removed);
      return;
    }
    std::optional<SaveItem> item;
    try {
      item = remove_paths(source, removed, Context());
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Errc::Invalid) << error.what();
      ++refused;
    }
    if (item) check_removed(stack, *source, *item, removed);
  });
  EXPECT_GT(refused, 0U);
  EXPECT_LT(refused, kStacks / 10);
}

TEST(RemovePathsTest, WhatNoLayerHasIsNotFound) {
  for_each_seed([](std::uint64_t seed) {
    RandomStack stack(seed);
    stack.add_layers(1 + stack.below(3));
    const RelPath path = RelPath::parse(stack.path());
    const bool is_touched = std::ranges::any_of(
        stack.touched(), [&](const auto& touched) { return touched.contains(path.str()); });
    if (is_touched) return;
    expect_error(Errc::NotFound, "no layer of the image has it",
                 [&] { remove_paths(stack.image(), {path}, Context()); });
  });
}

SaveItem without(const std::vector<LayerItems>& layers, const std::vector<std::string>& paths) {
  std::vector<std::string> tars;
  for (const LayerItems& items : layers)
    tars.push_back(tar_of(items));
  std::vector<RelPath> removed;
  for (const std::string& path : paths)
    removed.push_back(RelPath::parse(path));
  return remove_paths(std::make_shared<MemoryImage>(tars), removed, Context());
}

TreeDump shown_without(const std::vector<LayerItems>& layers,
                       const std::vector<std::string>& paths) {
  MemoryImage result(tars_of(without(layers, paths)));
  return dump_with_links(*result.tree());
}

TEST(RemovePathsTest, NothingLowerIsUncovered) {
  const std::vector<LayerItems> layers{{dir("a"), file("a/x", "1"), file("a/y", "2"), file("b")},
                                       {dir("a"), opaque("a"), file("a/x", "3")},
                                       {whiteout("b"), file("a/x", "4")}};
  const TreeDump one = shown_without(layers, {"a/x"});
  EXPECT_TRUE(one.contains("a"));
  EXPECT_FALSE(one.contains("a/x"));
  EXPECT_FALSE(one.contains("a/y"));
  EXPECT_FALSE(one.contains("b"));
  EXPECT_FALSE(shown_without(layers, {"b"}).contains("b"));
}

TEST(RemovePathsTest, OtherNamesOfARemovedFileKeepItInEveryLayer) {
  const std::vector<LayerItems> layers{{file("a", "1"), link("b", "a"), link("c", "a")},
                                       {link("d", "c"), link("e", "c")}};
  const TreeDump first = shown_without(layers, {"a"});
  EXPECT_FALSE(first.contains("a"));
  EXPECT_TRUE(first.at("c").starts_with("file"));
  const TreeDump second = shown_without(layers, {"c"});
  EXPECT_FALSE(second.contains("c"));
  EXPECT_NE(second.at("b").find("same file as a"), std::string::npos) << second.at("b");
  EXPECT_NE(second.at("e").find("same file as d"), std::string::npos) << second.at("e");
  EXPECT_EQ(second.at("d"), without_link(second.at("e")));
}

/// An image's layers and the base that it is to be put on, which may be made of the same ones.
struct Rebased {
  RandomStack own;
  RandomStack old_base;
  RandomStack new_base;
};

Rebased random_rebase(std::uint64_t seed) {
  RandomStack old_base(seed);
  old_base.add_layers(old_base.below(3));
  RandomStack own(seed * 10 + 1);
  RandomStack new_base(seed * 10 + 2);
  const bool is_related = own.below(3) > 0;
  for (const LayerItems& items : old_base.layers()) {
    EXPECT_TRUE(own.put_on(items));
    EXPECT_TRUE(!is_related || new_base.put_on(items));
  }
  own.add_layers(own.below(3));
  new_base.add_layers(new_base.below(3));
  return {own, old_base, new_base};
}

TEST(RebaseImageTest, OwnLayersActOnTheNewBaseAsApplyingThemInTurnDoes) {
  std::size_t applied = 0;
  for_each_seed([&](std::uint64_t seed) {
    const Rebased random = random_rebase(seed);
    const auto source = random.own.image();
    const auto rebase = [&] {
      return rebase_image(source, random.old_base.image(), random.new_base.image(), Context());
    };
    const std::size_t shared = random.old_base.layers().size();
    RandomStack wanted = random.new_base;
    bool can_be = true;
    for (std::size_t i = shared; can_be && i < random.own.layers().size(); ++i)
      can_be = wanted.put_on(random.own.layers()[i]);
    if (!can_be) {
      expect_error(Errc::Invalid, "of the new image", rebase);
      return;
    }
    ++applied;
    const SaveItem item = rebase();
    EXPECT_EQ(tars_of(item), wanted.tars());
    MemoryImage result(tars_of(item));
    for (std::size_t i = 0; i < result.layers(); ++i)
      expect_tree(*result.view(i + 1), wanted.dumps()[i], "rebased");
    const std::vector<HistoryStep> history = item.image.history();
    ASSERT_EQ(history.size(), wanted.layers().size());
    const std::size_t below = random.new_base.layers().size();
    for (std::size_t i = 0; i < history.size(); ++i) {
      EXPECT_EQ(history[i].layer, i);
      const std::size_t number = i < below ? i + 1 : i - below + shared + 1;
      EXPECT_EQ(history[i].created_by, fmt::format("layer {}", number));
    }
  });
  EXPECT_GT(applied, kStacks / 2);
}

TEST(RebaseImageTest, WhatDoesNotBeginWithTheOldBaseIsRefused) {
  std::size_t refused = 0;
  for_each_seed([&](std::uint64_t seed) {
    RandomStack own(seed);
    own.add_layers(1 + own.below(3));
    RandomStack old_base(own.below(2) == 0 ? seed : seed * 10 + 1);
    old_base.add_layers(1 + own.below(3));
    const auto& ids = own.image()->image().diff_ids();
    const auto base_ids = old_base.image()->image().diff_ids();
    const bool begins =
        base_ids.size() <= ids.size() && std::equal(base_ids.begin(), base_ids.end(), ids.begin());
    if (begins) return;
    ++refused;
    expect_error(Errc::Invalid, "does not begin with",
                 [&] { rebase_image(own.image(), old_base.image(), old_base.image(), Context()); });
  });
  EXPECT_GT(refused, kStacks / 4);
}

}  // namespace
}  // namespace layerkit::testing
