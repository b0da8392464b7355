#include <gtest/gtest.h>

#include "expect_error.h"
#include "layer_stack.h"
#include "user_namespace.h"

namespace layerkit::testing {
namespace {

TEST(OverlayDiffUsernsTest, OrdinaryUserAppliesLayersForAUserxattrMount) {
  if (!tmpfs_keeps_user_xattrs()) GTEST_SKIP() << "needs a tmpfs that keeps user.* attributes";
  in_user_namespace([] {
    LayerStack stack(OverlayXattrs::User);
    stack.apply({dir("d").mode(0), file("d/old"), file("d/gone"), file("suid", "x").mode(04755)});
    stack.apply({whiteout("d/gone"), dir("o"), file("o/a")});
    stack.apply({dir("o").xattr("user.overlay.opaque", "data").xattr("user.k", "v"), opaque("o"),
                 link("suid2", "suid").mode(04755)});
    const TreeDump shown = stack.shown();
    EXPECT_EQ(paths_of(shown), (std::vector<std::string>{"d", "d/old", "o", "suid", "suid2"}));
    EXPECT_TRUE(shown.at("o").ends_with(" user.k='v' user.overlay.opaque='data'"));
    EXPECT_EQ(shown.at("suid2"), shown.at("suid") + " same file as suid");
  });
}

TEST(OverlayDiffUsernsTest, OwnersThatAreNotMappedAreRefusedByName) {
  in_user_namespace([] {
    LayerStack stack(OverlayXattrs::User);
    expect_error(Errc::Io, "unpacking '/f': setting the owner of 'f' to 1000:0: Invalid argument",
                 [&] { stack.apply({file("f").owner(1000, 0)}); });
  });
}

TEST(OverlayDiffUsernsTest, DevicesThatTheUserMayNotMakeAreLeftOutAndHideWhatIsBelow) {
  in_user_namespace([] {
    LayerStack stack(OverlayXattrs::User);
    stack.apply({file("c", "below"), file("kept")});
    stack.apply(
        {device(FileType::CharDevice, "c", 1, 3), device(FileType::BlockDevice, "b", 8, 1)});
    EXPECT_EQ(paths_of(stack.shown()), std::vector<std::string>{"kept"});
    EXPECT_EQ(stack.warnings(),
              (std::vector<std::string>{
                  "devices that this user may not make were left out: 2 times, first 'c'"}));
  });
}

}  // namespace
}  // namespace layerkit::testing
