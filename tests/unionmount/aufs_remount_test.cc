#include "aufs/aufs_remount.h"

#include <gtest/gtest.h>

#include "expect_error.h"

namespace layerkit {
namespace {

TEST(AufsRemountTest, OnlyAufssOwnOptionsReachIt) {
  const AufsRemount plan = plan_aufs_remount(
      "rw,nosuid,relatime", "rw,remount,append:/a\\,b=ro+wh,del:/c,noexec,udba=none,defaults");
  EXPECT_EQ(plan.data, "append:/a\\,b=ro+wh,del:/c,udba=none");
  EXPECT_FALSE(plan.attributes.read_only);
  EXPECT_TRUE(plan.attributes.no_suid);
  EXPECT_TRUE(plan.attributes.no_exec);
}

TEST(AufsRemountTest, FlagsOfTheMountStayUnlessTheOptionsTakeThemBack) {
  const AufsRemount plan = plan_aufs_remount("ro,nosuid,nodev", "suid,mod:/a=ro");
  EXPECT_TRUE(plan.attributes.read_only && plan.attributes.no_dev);
  EXPECT_FALSE(plan.attributes.no_suid);
  EXPECT_TRUE(plan_aufs_remount("rw", "ro").attributes.read_only);
  EXPECT_EQ(plan_aufs_remount("rw", "ro").data, "");
}

TEST(AufsRemountTest, UnknownOptionsAreRefusedBeforeTheKernelIsAsked) {
  testing::expect_error(Errc::Invalid, "bogus",
                        [] { static_cast<void>(plan_aufs_remount("rw", "append:/a,bogus")); });
}

}  // namespace
}  // namespace layerkit
