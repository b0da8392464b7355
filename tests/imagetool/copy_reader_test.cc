#include "copy_reader.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "layerkit/base/byte_stream.h"
#include "layerkit/base/file.h"
#include "temp_dir.h"

namespace layerkit::testing {
namespace {

/// A tree that changes while it is read.
class CopyReaderTest : public ::testing::Test {
 protected:
  CopyReaderTest() {
    context_.warn = [this](const std::string& text) { warnings_ += text + "\n"; };
  }
  std::unique_ptr<LayerReader> reader() {
    CopyReaderOptions options;
    options.name = RelPath::parse("top");
    return make_copy_reader(open_at(AT_FDCWD, dir_.path(), O_PATH | O_DIRECTORY), options,
                            context_);
  }
  void write(const std::string& name, const std::string& contents) {
    write_file_at(dir_.fd(), name, contents, 0644);
  }
  static std::string names(LayerReader& reader) {
    std::string all;
    while (const auto entry = reader.next())
      all += entry->path.str() + " ";
    return all;
  }

  TempDir dir_;
  Context context_;
  std::string warnings_;
};

TEST_F(CopyReaderTest, AFileThatBecomesShorterEndsInZeros) {
  write("file", "0123456789");
  const auto from = reader();
  from->next();
  const auto entry = from->next();
  ASSERT_TRUE(entry);
  ASSERT_EQ(::truncate(dir_.path("file").c_str(), 4), 0);
  EXPECT_EQ(read_all(from->contents(), 100, "the file"), std::string("0123\0\0\0\0\0\0", 10));
  EXPECT_EQ(warnings_,
            "'top/file' became shorter while it was copied: its last 6 bytes are zeros\n");
}

TEST_F(CopyReaderTest, AFileThatBecomesLongerHasTheSizeThatWasSaid) {
  write("file", "0123456789");
  const auto from = reader();
  from->next();
  ASSERT_EQ(from->next()->size, 10U);
  write("file", "0123456789 and more");
  EXPECT_EQ(read_all(from->contents(), 100, "the file"), "0123456789");
  EXPECT_EQ(warnings_, "");
}

TEST_F(CopyReaderTest, WhatVanishesIsLeftOut) {
  make_dir_at(dir_.fd(), "a", 0755);
  write("a/in", "");
  write("b", "");
  write("c", "");
  const auto from = reader();
  EXPECT_EQ(from->next()->path.str(), "top");
  EXPECT_EQ(from->next()->path.str(), "top/a");
  std::filesystem::remove_all(dir_.path("a"));
  std::filesystem::remove(dir_.path("b"));
  EXPECT_EQ(names(*from), "top/c ");
}

TEST_F(CopyReaderTest, ADirectoryThatBecomesALinkIsLeftOutAndTheRestIsRead) {
  make_dir_at(dir_.fd(), "a", 0755);
  write("a/in", "");
  write("b", "");
  const auto from = reader();
  EXPECT_EQ(from->next()->path.str(), "top");
  EXPECT_EQ(from->next()->path.str(), "top/a");
  rename_at(dir_.fd(), "a", dir_.fd(), "z");
  make_symlink_at("z", dir_.fd(), "a");
  EXPECT_EQ(names(*from), "top/b ");
  EXPECT_EQ(warnings_, "'top/a/in' changed while it was copied and is left out\n");
}

}  // namespace
}  // namespace layerkit::testing
