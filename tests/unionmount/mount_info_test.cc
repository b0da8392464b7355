#include "layerkit/unionmount/mount_info.h"

#include <gtest/gtest.h>
#include <sys/sysmacros.h>

#include "expect_error.h"
#include "temp_dir.h"

namespace layerkit {
namespace {

using testing::expect_error;

TEST(MountInfoTest, LinesAreReadWithTheirEscapes) {
  const auto mounts = parse_mount_info(
      "36 35 98:0 /mnt1 /mnt\\0402 rw,noatime master:1 shared:2 - ext4 /dev/ro\\134ot rw,x=y\n"
      "37 36 0:40 / /m\\012n rw - fuse.aufs none rw\n");
  ASSERT_EQ(mounts.size(), 2U);
  EXPECT_EQ(mounts[0].id, 36U);
  EXPECT_EQ(mounts[0].parent, 35U);
  EXPECT_EQ(mounts[0].device, makedev(98, 0));
  EXPECT_EQ(mounts[0].root, "/mnt1");
  EXPECT_EQ(mounts[0].mount_point, "/mnt 2");
  EXPECT_EQ(mounts[0].options, "rw,noatime");
  EXPECT_EQ(mounts[0].type, "ext4");
  EXPECT_EQ(mounts[0].source, "/dev/ro\\ot");
  EXPECT_EQ(mounts[0].super_options, "rw,x=y");
  EXPECT_EQ(mounts[1].mount_point, "/m\nn");
  EXPECT_EQ(mounts[1].type, "fuse.aufs");
  EXPECT_EQ(format_device(mounts[1].device), "0:40");
}

TEST(MountInfoTest, LinesMayBeLong) {
  const std::string options(100000, 'x');
  const auto mounts = parse_mount_info("1 2 0:3 / / rw - overlay none " + options + "\n");
  ASSERT_EQ(mounts.size(), 1U);
  EXPECT_EQ(mounts[0].super_options, options);
}

TEST(MountInfoTest, WhatIsNoMountIsRefused) {
  for (const char* line :
       {"x", "1 2 0:3 / / rw", "1 2 0:3 / / - overlay none rw", "1 2 0:3 / / rw - overlay none",
        "a 2 0:3 / / rw - o n rw", "1 2 03x / / rw - o n rw"}) {
    expect_error(Errc::Invalid, "reading the mount table",
                 [&] { static_cast<void>(parse_mount_info(line)); });
  }
}

TEST(MountInfoTest, AMountIsFoundByItsRootOnly) {
  const auto proc = find_mount("/proc");
  ASSERT_TRUE(proc);
  EXPECT_EQ(proc->type, "proc");
  EXPECT_FALSE(find_mount("/proc/self"));
  EXPECT_FALSE(find_mount("/no/such/path"));
}

}  // namespace
}  // namespace layerkit
