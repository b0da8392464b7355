#include "layerkit/unionmount/aufs_sysfs.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <string>
#include <vector>

#include "expect_error.h"
#include "layerkit/base/file.h"
#include "temp_dir.h"

namespace layerkit {
namespace {

using testing::expect_error;
using testing::TempDir;

/// A directory like /sys/fs/aufs with one union.
class AufsSysfsTest : public ::testing::Test {
 protected:
  AufsSysfsTest() {
    make_dir_at(sysfs_.fd(), "si_7f3a", 0755);
    put("xi_path", "/a/.aufs.xino\n");
  }

  void put(const std::string& name, const std::string& text) const {
    write_file_at(AT_FDCWD, sysfs_.path("si_7f3a/" + name), text, 0444);
  }
  void put_branch(int index, const std::string& text, const std::string& id) const {
    put("br" + std::to_string(index), text);
    put("brid" + std::to_string(index), id);
  }
  std::vector<BranchState> read() const { return read_aufs_branches("7f3a", sysfs_.path()); }

  TempDir sysfs_;
};

TEST_F(AufsSysfsTest, BranchesComeInTheOrderOfTheirNumbers) {
  for (int i = 0; i < 12; ++i)
    put_branch(i, "/branch/" + std::to_string(i) + "=ro+wh\n", std::to_string(64 - i) + "\n");
  const std::vector<BranchState> branches = read();
  ASSERT_EQ(branches.size(), 12U);
  for (int i = 0; i < 12; ++i) {
    const BranchState& branch = branches[static_cast<std::size_t>(i)];
    EXPECT_EQ(branch.path, "/branch/" + std::to_string(i));
    EXPECT_EQ(branch.permission, "ro+wh");
    EXPECT_EQ(branch.id, 64 - i);
  }
}

TEST_F(AufsSysfsTest, PathsMayHoldAnything) {
  put_branch(0,
             R"(/a=b\040c\134d\012=rw+nolwh)"
             "\n",
             "0\n");
  put_branch(1,
             R"(/x\9\=rr)"
             "\n",
             "1\n");
  EXPECT_EQ(read().at(0).path, "/a=b c\\d\n");
  EXPECT_EQ(read().at(0).permission, "rw+nolwh");
  EXPECT_EQ(read().at(1).path, R"(/x\9\)");
}

TEST_F(AufsSysfsTest, AUnionThatIsNotThereIsNotFound) {
  expect_error(Errc::NotFound, "reading the branches of the aufs '7f3b'",
               [this] { read_aufs_branches("7f3b", sysfs_.path()); });
}

TEST_F(AufsSysfsTest, AnIdIsNoPath) {
  for (const char* const id : {"", "../x", "7f3a/..", "7F", "7f 3"})
    expect_error(Errc::Invalid, "the ID is not a hexadecimal number",
                 [&] { read_aufs_branches(id, sysfs_.path()); });
}

TEST_F(AufsSysfsTest, NamesTheParameterThatHidesBranches) {
  expect_error(Errc::Unsupported, "aufs shows none (its module parameter 'brs' is 0)",
               [this] { read(); });
}

TEST_F(AufsSysfsTest, RefusesWhatNoKernelWrites) {
  put_branch(0, "/a=rw", "0\n");
  expect_error(Errc::Invalid, "reading 'br0': the line has no end", [this] { read(); });
  put_branch(0, "/a\n", "0\n");
  expect_error(Errc::Invalid, "reading 'br0': '/a' is not a path and a permission",
               [this] { read(); });
  put_branch(0, "/a=\n", "0\n");
  expect_error(Errc::Invalid, "'/a=' is not a path and a permission", [this] { read(); });
  put_branch(0, "/a=rw\n", "x\n");
  expect_error(Errc::Invalid, "reading the ID of 'br0': 'x' is not a number", [this] { read(); });
  put_branch(0, "/a=rw\n", "2147483648\n");
  expect_error(Errc::Invalid, "reading the ID of 'br0'", [this] { read(); });
}

TEST_F(AufsSysfsTest, ABranchWithoutAnIdIsAChangeThatDoesNotEnd) {
  put("br0", "/a=rw\n");
  expect_error(Errc::Busy, "they keep changing", [this] { read(); });
}

TEST_F(AufsSysfsTest, FollowsNoSymlink) {
  put_branch(0, "/a=rw\n", "0\n");
  ASSERT_TRUE(unlink_at(AT_FDCWD, sysfs_.path("si_7f3a/br0")));
  make_symlink_at("xi_path", AT_FDCWD, sysfs_.path("si_7f3a/br0"));
  expect_error(Errc::Io, "opening 'br0'", [this] { read(); });
}

}  // namespace
}  // namespace layerkit
