#include "server/server_config.h"

#include <gtest/gtest.h>

#include "expect_error.h"
#include "temp_dir.h"
#include "union_fixture.h"

namespace layerkit {
namespace {

using testing::expect_error;

/// A union that differs from the defaults everywhere.
UnionSpec odd_spec(const testing::TempDir& dir) {
  UnionSpec spec;
  spec.branches.push_back(testing::make_branch(dir.path("top"), BranchAccess::ReadWrite));
  spec.branches.push_back(
      testing::make_branch(dir.path("lo w,e:r=\n"), BranchAccess::RealReadOnly));
  spec.branches[1].attributes.whiteouts = true;
  spec.branches[0].path = "shown elsewhere";
  spec.work = Fd(open_dir_at(AT_FDCWD, dir.path()));
  spec.read_only = spec.no_suid = spec.no_dev = spec.no_atime = spec.expendable_upper = true;
  spec.whiteouts = WhiteoutFormat::Aufs;
  spec.aufs.udba = Udba::None;
  spec.aufs.create.rule = CreateRule::MostFree;
  spec.aufs.inode_table_path = "/x, y";
  return spec;
}

TEST(ServerConfigTest, SaysAllOfASpec) {
  const testing::TempDir dir;
  const UnionSpec spec = odd_spec(dir);
  ServerConfig config = describe_spec(spec);
  config.id = "12ab";
  config.device = 77;
  config.fuse_fd = 8;
  config.ready_fd = 9;
  const ServerConfig read = parse_server_config(format_server_config(config));
  EXPECT_EQ(read.id, "12ab");
  EXPECT_EQ(read.device, 77U);
  EXPECT_EQ(read.fuse_fd, 8);
  EXPECT_EQ(read.ready_fd, 9);
  // Another process would own these.
  ServerConfig duplicated = read;
  duplicated.work_fd = spec.work.duplicate().release();
  for (std::size_t i = 0; i < spec.branches.size(); ++i)
    duplicated.branches[i].fd = spec.branches[i].directory.duplicate().release();
  const UnionSpec adopted = adopt_spec(duplicated);
  EXPECT_TRUE(adopted.read_only && adopted.no_suid && adopted.no_dev && adopted.no_atime &&
              adopted.expendable_upper);
  EXPECT_EQ(adopted.whiteouts, spec.whiteouts);
  EXPECT_EQ(adopted.aufs, spec.aufs);
  EXPECT_TRUE(adopted.work);
  ASSERT_EQ(adopted.branches.size(), 2U);
  EXPECT_EQ(adopted.branches[0].path, "shown elsewhere");
  EXPECT_EQ(adopted.branches[0].access, BranchAccess::ReadWrite);
  EXPECT_EQ(adopted.branches[1].path, dir.path("lo w,e:r=\n"));
  EXPECT_EQ(adopted.branches[1].access, BranchAccess::RealReadOnly);
  EXPECT_EQ(adopted.branches[1].attributes, spec.branches[1].attributes);
}

TEST(ServerConfigTest, ASpecWithDefaultsStaysOne) {
  ServerConfig config = describe_spec(UnionSpec{});
  config.id = "-";
  config.fuse_fd = 3;
  config.ready_fd = 4;
  const ServerConfig read = parse_server_config(format_server_config(config));
  EXPECT_EQ(read.work_fd, -1);
  const UnionSpec adopted = adopt_spec(read);
  EXPECT_FALSE(adopted.read_only || adopted.no_suid || adopted.no_dev || adopted.no_atime ||
               adopted.expendable_upper);
  EXPECT_EQ(adopted.whiteouts, WhiteoutFormat::Overlay);
  EXPECT_EQ(adopted.aufs, AufsSettings{});
  EXPECT_TRUE(adopted.branches.empty());
}

TEST(ServerConfigTest, AnythingElseIsRefused) {
  using namespace std::string_literals;
  for (const std::string& text :
       {""s, "id x"s, "id x\0fuse 3\0"s, "id x\0fuse 3\0ready"s, "id x\0fuse -1\0ready 4\0"s,
        "id x\0fuse 3\0ready 4\0bogus 1\0"s, "id x\0fuse 3\0ready 4\0branch 5 rw\0"s,
        "id x\0fuse 3\0ready 4\0branch x rw /\0"s, "id x\0fuse 3\0ready 4294967296\0"s,
        "id x\0fuse 3\0ready 4\0whiteouts none\0"s, "id x\0fuse 3\0ready 4\0device here\0"s}) {
    expect_error(Errc::Invalid, "reading what to serve",
                 [&] { static_cast<void>(parse_server_config(text)); });
  }
}

}  // namespace
}  // namespace layerkit
