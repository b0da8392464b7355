#include "fuse/listing_demand.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <fstream>

#include "fuse/live_branch.h"
#include "fuse/node.h"
#include "layerkit/base/file.h"
#include "temp_dir.h"

namespace layerkit {
namespace {

constexpr pid_t kReader = 7;
constexpr pid_t kOther = 8;

class ListingDemandTest : public ::testing::Test {
 protected:
  /// A list as of a directory with so many of each.
  MergedList list_of(int files, int directories) {
    const std::string path = temp_.path() + "/" + std::to_string(++lists_);
    std::filesystem::create_directory(path);
    for (int i = 0; i < files; ++i)
      std::ofstream(path + "/f" + std::to_string(i));
    for (int i = 0; i < directories; ++i)
      std::filesystem::create_directory(path + "/d" + std::to_string(i));
    ListMerger merger{ListMerger::Options()};
    merger.add_self(1, 1);
    merger.add(branch_, open_at(AT_FDCWD, path, O_RDONLY | O_DIRECTORY).get(), false,
               [](LiveBranch&, std::uint64_t ino) { return ino; });
    return std::move(merger).finish();
  }
  /// The reader lists the next directory; how many of its entries are told of.
  std::size_t told(const MergedList& list, pid_t reader = kReader) {
    const ListingDemand::Advice advice = demand_.begin(reader, directories_[++at_], list);
    std::size_t count = 0;
    for (std::size_t i = 2; i < list.size(); ++i)
      count += advice.has_attributes(list, i) ? 1U : 0U;
    return count;
  }
  void look_all_up(const MergedList& list) {
    for (std::size_t i = 2; i < list.size(); ++i)
      demand_.looked_up(directories_[at_], list.name(i));
  }
  /// A reader that was content with the names so far.
  void read_names_only(const MergedList& list) {
    for (int i = 0; i < 3; ++i)
      told(list);
    ASSERT_EQ(told(list), 0U);
  }

  testing::TempDir temp_;
  int lists_ = 0;
  LiveBranch branch_;
  std::array<Node, 1000> directories_;
  std::size_t at_ = 0;
  ListingDemand demand_;
};

TEST_F(ListingDemandTest, TheFirstListsHaveAttributesThenNamesAreEnough) {
  const MergedList list = list_of(10, 0);
  EXPECT_EQ(told(list), 10U);
  EXPECT_EQ(told(list), 9U) << "one is withheld as a trial";
  EXPECT_EQ(told(list), 0U) << "nobody asked for it";
  EXPECT_EQ(told(list_of(10, 3)), 3U) << "directories are told of";
}

TEST_F(ListingDemandTest, WhoAsksForTheWithheldGetsAllWithEverRarerTrials) {
  const MergedList list = list_of(10, 0);
  std::vector<int> trials;
  for (int i = 0; i < 200; ++i) {
    if (told(list) == 9) trials.push_back(i);
    look_all_up(list);
  }
  EXPECT_EQ(trials, (std::vector<int>{1, 4, 9, 18, 35, 68, 133, 198}));
}

TEST_F(ListingDemandTest, WhoAsksForAttributesAfterAllGetsThemAgain) {
  const MergedList list = list_of(10, 0);
  read_names_only(list);
  look_all_up(list);
  EXPECT_EQ(told(list), 10U);
}

TEST_F(ListingDemandTest, WhoPollsOneDirectoryGetsWhatItAsksFor) {
  const MergedList list = list_of(10, 0);
  read_names_only(list);
  look_all_up(list);
  --at_;
  EXPECT_EQ(told(list), 10U);
}

TEST_F(ListingDemandTest, OfAnUnknownReaderNothingIsLearned) {
  const MergedList list = list_of(10, 0);
  for (int i = 0; i < 10; ++i)
    EXPECT_EQ(told(list, 0), 10U);
}

TEST_F(ListingDemandTest, AFewLookupsAreNoDemand) {
  const MergedList list = list_of(10, 0);
  read_names_only(list);
  for (int i = 2; i < 5; ++i)
    demand_.looked_up(directories_[at_], list.name(static_cast<std::size_t>(i)));
  EXPECT_EQ(told(list), 0U);
}

TEST_F(ListingDemandTest, ReadersAreJudgedByThemselves) {
  const MergedList list = list_of(10, 0);
  read_names_only(list);
  EXPECT_EQ(told(list, kOther), 10U);
  EXPECT_EQ(told(list), 0U);
  EXPECT_EQ(told(list, kReader + 64), 10U) << "that takes the place of the first";
  EXPECT_EQ(told(list), 10U);
}

TEST_F(ListingDemandTest, WithDirectoriesOrFewFilesThereIsNoTrial) {
  // The files of a directory with others in it may be looked at after those.
  const MergedList few = list_of(7, 0);
  const MergedList mixed = list_of(20, 1);
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(told(few), 7U);
    EXPECT_EQ(told(mixed), 21U);
  }
}

TEST_F(ListingDemandTest, ReadingADirectoryTwiceDecidesNothing) {
  const MergedList list = list_of(10, 0);
  told(list);
  EXPECT_EQ(told(list), 9U);
  --at_;
  EXPECT_EQ(told(list), 9U) << "the same file is withheld";
  look_all_up(list);
  EXPECT_EQ(told(list), 10U);
}

TEST_F(ListingDemandTest, WhoReadsOnIsToldAsAtTheStart) {
  const MergedList list = list_of(10, 0);
  read_names_only(list);
  EXPECT_FALSE(demand_.go_on(kReader, directories_[at_]).files_have_attributes);
  EXPECT_TRUE(demand_.go_on(kReader, directories_[at_ - 1]).files_have_attributes);
  EXPECT_TRUE(demand_.go_on(kOther, directories_[at_]).files_have_attributes);
}

}  // namespace
}  // namespace layerkit
