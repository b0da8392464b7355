#include "draft_arena.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "temp_dir.h"

namespace layerkit::testing {
namespace {

/// Bytes of this process's memory that are mapped from files.
std::uint64_t resident_file_bytes() {
  std::ifstream status("/proc/self/status");
  std::string word;
  std::uint64_t kib = 0;
  while (status >> word) {
    if (word == "RssFile:") status >> kib;
  }
  return kib << 10U;
}

/// Fills a block with what can be recognized.
void mark(void* block, std::size_t bytes, std::uint64_t number) {
  std::memset(block, static_cast<int>(number % 251), bytes);
}

bool is_marked(const void* block, std::size_t bytes, std::uint64_t number) {
  const std::string wanted(bytes, static_cast<char>(number % 251));
  return std::memcmp(block, wanted.data(), bytes) == 0;
}

TEST(DraftArenaTest, KeepsWhatIsInItHoweverOftenItLetsGo) {
  const TempDir temp;
  DraftArena arena(temp.fd(), std::size_t{1} << 20);
  std::mt19937_64 random(1);
  struct Block {
    void* at;
    std::size_t bytes;
    std::uint64_t number;
  };
  std::vector<Block> blocks;
  for (std::uint64_t number = 0; number < 300'000; ++number) {
    const std::size_t bytes = 1 + random() % (number % 1000 == 0 ? 100'000 : 600);
    void* at = arena.allocate(bytes);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(at) % alignof(std::max_align_t), 0U);
    mark(at, bytes, number);
    blocks.push_back({at, bytes, number});
    if (random() % 3 == 0) {
      std::swap(blocks.back(), blocks[random() % blocks.size()]);
      ASSERT_TRUE(is_marked(blocks.back().at, blocks.back().bytes, blocks.back().number));
      arena.deallocate(blocks.back().at, blocks.back().bytes);
      blocks.pop_back();
    }
    arena.tidy();
  }
  EXPECT_GT(arena.file_bytes(), std::uint64_t{48} << 20);
  for (const Block& block : blocks) {
    ASSERT_TRUE(is_marked(block.at, block.bytes, block.number)) << block.number;
    arena.tidy();
  }
  EXPECT_TRUE(list_dir(temp.fd()).empty());
}

TEST(DraftArenaTest, MoreThanIsResidentIsInIt) {
  const TempDir temp;
  const std::uint64_t before = resident_file_bytes();
  DraftArena arena(temp.fd());
  constexpr std::size_t kBlock = 400;
  for (int i = 0; i < 500'000; ++i) {
    mark(arena.allocate(kBlock), kBlock, 1);
    arena.tidy();
  }
  EXPECT_GT(arena.file_bytes(), std::uint64_t{180} << 20);
  EXPECT_LT(resident_file_bytes(), before + (std::uint64_t{32} << 20));
}

TEST(DraftArenaTest, FreedBlocksAreGivenOutAgain) {
  const TempDir temp;
  DraftArena arena(temp.fd(), 0);
  for (int i = 0; i < 1'000'000; ++i)
    arena.deallocate(arena.allocate(100), 100);
  EXPECT_LE(arena.file_bytes(), std::uint64_t{4} << 20);
}

TEST(DraftArenaTest, AFewBlocksNeedNoFile) {
  const TempDir temp;
  DraftArena arena(temp.fd());
  for (int i = 0; i < 1000; ++i)
    EXPECT_NE(arena.allocate(1000), nullptr);
  EXPECT_EQ(arena.file_bytes(), 0U);
}

}  // namespace
}  // namespace layerkit::testing
