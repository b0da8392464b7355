#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/xattr.h>

#include "expect_error.h"
#include "layer_stack.h"
#include "user_namespace.h"

namespace layerkit::testing {
namespace {

/// What the namespace gets on /tmp keeps user.* since Linux 6.6.
bool tmpfs_keeps_user_xattrs() {
  const Fd file(::memfd_create("probe", MFD_CLOEXEC));
  return ::fsetxattr(file.get(), "user.probe", "1", 1, 0) == 0;
}

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

TEST(OverlayDiffUsernsTest, DevicesAreRefusedByName) {
  in_user_namespace([] {
    LayerStack stack(OverlayXattrs::User);
    expect_error(Errc::Io, "unpacking '/c': creating special file 'c': Operation not permitted",
                 [&] { stack.apply({device(FileType::CharDevice, "c", 1, 3)}); });
  });
}

}  // namespace
}  // namespace layerkit::testing
