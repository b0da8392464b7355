#include "erofs/erofs_chunks.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "expect_error.h"

namespace layerkit::testing {
namespace {

using Kind = ErofsChunks::Kind;
using Extents = std::vector<TarExtent>;

std::vector<ErofsChunks::Chunk> list(const ErofsChunks& chunks) {
  std::vector<ErofsChunks::Chunk> all;
  chunks.for_each([&](const ErofsChunks::Chunk& chunk) { all.push_back(chunk); });
  return all;
}

std::string expand(const Extents& extents, std::uint64_t size, const std::string& tar) {
  std::string file(size, '\0');
  for (const TarExtent& extent : extents)
    file.replace(extent.file_offset, extent.length, tar, extent.tar_offset, extent.length);
  return file;
}

/// What the chunks say the file is. The last block in the tar may go on behind the file.
std::string expand(const ErofsChunks& chunks, std::uint64_t size, const std::string& tar) {
  std::string file;
  for (const ErofsChunks::Chunk& chunk : list(chunks)) {
    EXPECT_EQ(chunk.file_offset, file.size());
    std::string bytes(chunk.size, '\0');
    if (chunk.kind == Kind::InTar) {
      EXPECT_EQ(chunk.tar_offset % 512, 0U);
      bytes = tar.substr(chunk.tar_offset, chunk.size);
    } else if (chunk.kind == Kind::Copied) {
      chunks.for_each_piece(chunk, [&](const TarExtent& piece) {
        bytes.replace(piece.file_offset - chunk.file_offset, piece.length, tar, piece.tar_offset,
                      piece.length);
      });
    }
    file += bytes;
  }
  EXPECT_EQ(file.size(), size);
  return file;
}

std::uint64_t cost(const Extents& extents, std::uint64_t size, std::uint64_t chunk) {
  std::uint64_t cost = 0;
  for (std::uint64_t begin = 0; begin < size; begin += chunk) {
    cost += 8;
    const std::uint64_t end = std::min(begin + chunk, size);
    const auto touching = [&](const TarExtent& extent) {
      return extent.file_offset < end && extent.file_offset + extent.length > begin;
    };
    const auto whole = [&](const TarExtent& extent) {
      return extent.file_offset <= begin && extent.file_offset + extent.length >= end &&
             (extent.tar_offset + begin - extent.file_offset) % 512 == 0;
    };
    if (std::ranges::any_of(extents, touching) && std::ranges::none_of(extents, whole)) {
      cost += chunk;
    }
  }
  return cost;
}

std::uint64_t cost(const ErofsChunks& chunks) {
  std::uint64_t cost = 0;
  for (const ErofsChunks::Chunk& chunk : list(chunks))
    cost += 8 + (chunk.kind == Kind::Copied ? std::uint64_t{512} << chunks.bits() : 0);
  return cost;
}

TEST(ErofsChunksTest, AWholeFileIsOneChunk) {
  for (const std::uint64_t size : {1U, 512U, 513U, 1'000'000U}) {
    const Extents extents = {{1024, 0, size}};
    const ErofsChunks chunks(extents, size);
    ASSERT_EQ(chunks.count(), 1U);
    const auto chunk = list(chunks).at(0);
    EXPECT_EQ(chunk.kind, Kind::InTar);
    EXPECT_EQ(chunk.tar_offset, 1024U);
    EXPECT_EQ(chunk.size, size);
  }
}

TEST(ErofsChunksTest, ChunksOfAtMostATebibyte) {
  const std::uint64_t size = (std::uint64_t{5} << 40U) + 1;
  const Extents extents = {{512, 0, size}};
  const ErofsChunks chunks(extents, size);
  EXPECT_EQ(chunks.bits(), 31U);
  const auto all = list(chunks);
  ASSERT_EQ(all.size(), 6U);
  EXPECT_EQ(all[5].tar_offset, 512 + (std::uint64_t{5} << 40U));
  EXPECT_EQ(all[5].size, 1U);
}

TEST(ErofsChunksTest, AFileOfPieces) {
  std::mt19937 random(3);
  const auto below = [&](std::uint64_t bound) { return random() % bound; };
  std::string tar(400'000, '\0');
  for (char& byte : tar)
    byte = static_cast<char>(1 + below(255));
  for (int round = 0; round < 3000 && !::testing::Test::HasFailure(); ++round) {
    SCOPED_TRACE(round);
    const std::uint64_t unit = std::vector<std::uint64_t>{1, 100, 512, 1024, 4096}[below(5)];
    Extents extents;
    std::uint64_t at = 0;
    std::uint64_t tar_at = 512 * below(10) + (below(4) == 0 ? below(512) : 0);
    for (std::uint64_t left = below(9); left > 0; --left) {
      at += below(12) * unit;
      const std::uint64_t length = (1 + below(6)) * unit;
      extents.push_back({tar_at, at, length});
      at += length;
      tar_at += length + (below(5) == 0 ? below(100) : 0);
    }
    const std::uint64_t size = at + (extents.empty() ? 1 : 0) + below(3) * unit;
    const ErofsChunks chunks(extents, size);
    EXPECT_EQ(expand(chunks, size, tar), expand(extents, size, tar));
    const bool plain = extents.empty() || (extents.size() == 1 && extents[0].length == size);
    if (plain) continue;
    // No other size takes less, but for the part of a chunk that the end of the file cuts off.
    for (unsigned bits = 0; std::uint64_t{256} << bits < size; ++bits) {
      const std::uint64_t slack = std::uint64_t{512} << chunks.bits();
      EXPECT_LE(cost(chunks), cost(extents, size, std::uint64_t{512} << bits) + slack);
    }
  }
}

TEST(ErofsChunksTest, HolesThatWouldTakeTooMuchAreRefused) {
  Extents extents;
  constexpr std::uint64_t kStep = std::uint64_t{1} << 40U;
  for (std::uint64_t i = 0; i < 10'000; ++i)
    extents.push_back({i, i * kStep, 1});
  expect_error(Errc::Limit, "mapping a sparse file: its holes would take more than",
               [&] { ErofsChunks(extents, 10'001 * kStep); });
  const std::uint64_t largest = std::numeric_limits<std::int64_t>::max();
  const Extents one = {{0, largest - 1, 1}};
  expect_error(Errc::Limit, "mapping a sparse file", [&] { ErofsChunks(one, largest); });
  EXPECT_EQ(ErofsChunks({}, largest).bits(), 31U);
}

}  // namespace
}  // namespace layerkit::testing
