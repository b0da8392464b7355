#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "layerkit/layerstore/name_sorter.h"
#include "spill_stack.h"
#include "temp_dir.h"

namespace layerkit::testing {
namespace {

using Names = std::vector<std::string>;

Names sorted_by(NameSorter& sorter, const Names& names) {
  for (const std::string& name : names)
    sorter.add(name);
  Names sorted;
  while (const auto name = sorter.next())
    sorted.emplace_back(*name);
  return sorted;
}

Names random_names(std::uint64_t seed, std::size_t count) {
  std::mt19937_64 random(seed);
  Names names;
  for (std::size_t i = 0; i < count; ++i) {
    names.emplace_back(std::uniform_int_distribution<std::size_t>(0, 300)(random), ' ');
    for (char& c : names.back())
      c = static_cast<char>(std::uniform_int_distribution<int>(-128, 127)(random));
  }
  return names;
}

TEST(NameSorterTest, SortsBytewiseInMemoryAndInFiles) {
  const TempDir temp;
  Names names = random_names(1, 2000);
  names.insert(names.end(), {"", "a", "a", "\xff"});
  Names wanted = names;
  std::sort(wanted.begin(), wanted.end());
  for (const std::size_t memory : {std::size_t{1} << 20, std::size_t{100'000}, std::size_t{1000}}) {
    NameSorter sorter(temp.fd(), memory);
    EXPECT_EQ(sorted_by(sorter, names), wanted) << memory;
    sorter.clear();
    EXPECT_EQ(sorted_by(sorter, {"b", "a"}), (Names{"a", "b"}));
    EXPECT_FALSE(sorter.next());
  }
}

TEST(NameSorterTest, NothingSortsToNothing) {
  const TempDir temp;
  NameSorter sorter(temp.fd());
  EXPECT_EQ(sorted_by(sorter, {}), Names{});
}

TEST(SpillStackTest, GivesBackTheLastFirstAcrossMemoryAndFile) {
  const TempDir temp;
  SpillStack stack(temp.fd(), 512);
  Names kept;
  std::mt19937_64 random(7);
  const Names names = random_names(2, 5000);
  for (const std::string& name : names) {
    stack.push(name);
    kept.push_back(name);
    while (!kept.empty() && random() % 5 < 2) {
      ASSERT_EQ(stack.pop(), kept.back());
      kept.pop_back();
    }
  }
  for (; !kept.empty(); kept.pop_back())
    ASSERT_EQ(stack.pop(), kept.back());
  EXPECT_EQ(stack.pop(), std::nullopt);
  EXPECT_TRUE(list_dir(temp.fd()).empty());
}

}  // namespace
}  // namespace layerkit::testing
