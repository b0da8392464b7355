#include "copy_writer.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "layerkit/base/byte_stream.h"
#include "layerkit/base/file.h"
#include "temp_dir.h"

namespace layerkit::testing {
namespace {

class CopyWriterTest : public ::testing::Test {
 protected:
  void SetUp() override { writer_ = make(); }
  std::unique_ptr<LayerWriter> make() const {
    return make_copy_writer(RootDir(open_at(AT_FDCWD, dir_.path(), O_PATH | O_DIRECTORY)), {},
                            context_);
  }
  void add(const std::string& path, FileType type, std::uint32_t mode) {
    Entry entry;
    entry.path = RelPath::parse(path);
    entry.type = type;
    entry.mode = mode;
    entry.mtime = {1'600'000'000, 0};
    MemorySource nothing("");
    writer_->add(entry, nothing);
  }
  FileStat stat(const std::string& name) const { return *stat_at(dir_.fd(), name); }

  TempDir dir_;
  Context context_;
  std::unique_ptr<LayerWriter> writer_;
};

TEST_F(CopyWriterTest, ADirectoryIsOpenToItsUsersWhileItIsFilled) {
  add("d", FileType::Directory, 0755);
  EXPECT_EQ(stat("d").mode, 0755U);
  add("d/file", FileType::Regular, 0644);
  writer_->finish();
  EXPECT_EQ(stat("d").mode, 0755U);
  EXPECT_EQ(stat("d").mtime.seconds, 1'600'000'000);
}

TEST_F(CopyWriterTest, ADirectoryThatItsOwnerMayNotWriteToIsFilledFirst) {
  add("d", FileType::Directory, 0555);
  add("d/file", FileType::Regular, 0644);
  EXPECT_EQ(stat("d").mode, 0755U);
  writer_->finish();
  EXPECT_EQ(stat("d").mode, 0555U);
}

TEST_F(CopyWriterTest, AnEntryThatComesLateCounts) {
  add("d/e/file", FileType::Regular, 0644);
  add("d", FileType::Directory, 0711);
  add("d/e", FileType::Directory, 0770);
  writer_->finish();
  EXPECT_EQ(stat("d").mode, 0711U);
  EXPECT_EQ(stat("d/e").mode, 0770U);
  EXPECT_EQ(stat("d/e").mtime.seconds, 1'600'000'000);
}

TEST_F(CopyWriterTest, ADirectoryThatWasThereStaysAsItIs) {
  make_dir_at(dir_.fd(), "d", 0700);
  ASSERT_EQ(::chmod(dir_.path("d").c_str(), 0751), 0);
  add("d", FileType::Directory, 0777);
  writer_->finish();
  EXPECT_EQ(stat("d").mode, 0751U);
}

}  // namespace
}  // namespace layerkit::testing
