#include "capabilities.h"

#include <gtest/gtest.h>

#include "expect_error.h"
#include "layerkit/runner/container_spec.h"

namespace layerkit::runner {
namespace {

using layerkit::testing::expect_error;

TEST(CapabilitiesTest, DockersDefaultSetIsTheKnownMask) {
  EXPECT_EQ(parse_capabilities(default_capabilities()), 0xa80425fbU);
}

TEST(CapabilitiesTest, NamesAndNumbersAgree) {
  EXPECT_EQ(capability_name(0), "CAP_CHOWN");
  EXPECT_EQ(capability_name(21), "CAP_SYS_ADMIN");
  EXPECT_EQ(capability_name(40), "CAP_CHECKPOINT_RESTORE");
  EXPECT_EQ(capability_name(63), "63");
}

TEST(CapabilitiesTest, UnknownNamesAreRefused) {
  expect_error(Errc::Invalid, "'CAP_NONSENSE': no such capability", [] {
    parse_capabilities({"CAP_CHOWN", "CAP_NONSENSE"});
  });
}

}  // namespace
}  // namespace layerkit::runner
