#include "layerkit/base/root_dir.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "expect_error.h"
#include "temp_dir.h"

namespace layerkit {
namespace {

using testing::expect_error;
using testing::TempDir;

/// A tree `root` with hostile links, beside a file `secret` that must never be reached.
class RootDirTest : public ::testing::Test {
 protected:
  RootDirTest() {
    write_file_at(dir_.fd(), "secret", "secret", 0600);
    make_dir_at(dir_.fd(), "root", 0755);
    const Fd root = open_dir_at(dir_.fd(), "root");
    write_file_at(root.get(), "file", "inside", 0600);
    make_symlink_at("../secret", root.get(), "up");
    make_symlink_at("/file", root.get(), "absolute");
    make_symlink_at("/proc/self/root", root.get(), "magic");
    make_symlink_at("loop", root.get(), "loop");
    make_dir_at(root.get(), "dir", 0755);
  }

  RootDir root() const { return RootDir(open_dir_at(dir_.fd(), "root")); }

  TempDir dir_;
};

TEST_F(RootDirTest, InRootFollowsLinksAsAChrootWould) {
  EXPECT_EQ(root().read_file(RelPath::parse("absolute"), 100, Follow::InRoot), "inside");
  EXPECT_EQ(root().read_file(RelPath::parse("up"), 100, Follow::InRoot), std::nullopt);
}

TEST_F(RootDirTest, NoFollowRefusesEveryLink) {
  expect_error(Errc::Io, "opening '/absolute'",
               [this] { root().open(RelPath::parse("absolute"), O_RDONLY, Follow::No); });
}

TEST_F(RootDirTest, LoopsEnd) {
  expect_error(Errc::Io, "opening '/loop'",
               [this] { root().open(RelPath::parse("loop"), O_RDONLY, Follow::InRoot); });
}

TEST_F(RootDirTest, StatDescribesTheLinkItself) {
  EXPECT_EQ(root().stat(RelPath::parse("up"), Follow::No)->type, FileType::Symlink);
  EXPECT_EQ(root().stat(RelPath(), Follow::No)->type, FileType::Directory);
  EXPECT_FALSE(root().stat(RelPath::parse("none/x"), Follow::No));
  EXPECT_FALSE(root().stat(RelPath::parse("file/x"), Follow::No));
}

TEST_F(RootDirTest, ReadFileRefusesWhatIsNoRegularFile) {
  const Fd dir = open_dir_at(dir_.fd(), "root");
  ASSERT_EQ(::mkfifoat(dir.get(), "fifo", 0600), 0);
  expect_error(Errc::Invalid, "'/fifo': it is not a regular file",
               [this] { root().read_file(RelPath::parse("fifo"), 100, Follow::InRoot); });
  expect_error(Errc::Limit, "'/file': it is larger than 3 bytes",
               [this] { root().read_file(RelPath::parse("file"), 3, Follow::InRoot); });
}

}  // namespace
}  // namespace layerkit
