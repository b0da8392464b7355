#include "layerkit/base/byte_stream.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include "expect_error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/hashing_stream.h"
#include "temp_dir.h"

namespace layerkit {
namespace {

using testing::expect_error;
using testing::TempDir;

TEST(ByteStreamTest, ReadAllIsBoundedAndNamesTheObject) {
  MemorySource small("12345");
  EXPECT_EQ(read_all(small, 5, "x"), "12345");
  MemorySource large("123456");
  expect_error(Errc::Limit, "reading 'x': it is larger than 5 bytes",
               [&large] { read_all(large, 5, "x"); });
}

TEST(ByteStreamTest, CopyMovesEveryByte) {
  const std::string bytes(1'000'003, 'q');
  MemorySource source(bytes);
  std::string copy;
  MemorySink sink(copy);
  EXPECT_EQ(copy_bytes(source, sink), bytes.size());
  EXPECT_EQ(copy, bytes);
}

TEST(ByteStreamTest, HashingPassesBytesThrough) {
  MemorySource source("abc");
  HashingSource hashing(source);
  std::string copy;
  MemorySink sink(copy);
  HashingSink hashing_sink(sink);
  copy_bytes(hashing, hashing_sink);
  EXPECT_EQ(copy, "abc");
  EXPECT_EQ(hashing.size(), 3U);
  EXPECT_EQ(hashing.finish(), Sha256::of("abc"));
  EXPECT_EQ(hashing_sink.finish(), Sha256::of("abc"));
}

TEST(ByteStreamTest, RangesOfOneFileAreIndependent) {
  const TempDir dir;
  write_file_at(dir.fd(), "f", "0123456789", 0600);
  const Fd file = open_at(dir.fd(), "f", O_RDONLY);
  FileRangeSource head(file.get(), 0, 4, "f");
  FileRangeSource tail(file.get(), 6, 4, "f");
  EXPECT_EQ(read_all(tail, 99, "f"), "6789");
  EXPECT_EQ(read_all(head, 99, "f"), "0123");
}

TEST(ByteStreamTest, ARangeBeyondTheEndIsAnIntegrityError) {
  const TempDir dir;
  write_file_at(dir.fd(), "f", "0123", 0600);
  const Fd file = open_at(dir.fd(), "f", O_RDONLY);
  FileRangeSource range(file.get(), 2, 4, "f");
  expect_error(Errc::Integrity, "reading 'f': it ends 2 bytes too early",
               [&range] { drain(range); });
}

}  // namespace
}  // namespace layerkit
