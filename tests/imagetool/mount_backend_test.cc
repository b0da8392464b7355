#include "layerkit/imagetool/mount_backend.h"

#include <sys/socket.h>

#include <thread>

#include "expect_error.h"
#include "layerkit/unionmount/fuse_mount.h"
#include "layerkit/unionmount/mounter.h"
#include "temp_dir.h"

namespace layerkit::testing {
namespace {

TEST(MountBackendTest, NamesAreReadBack) {
  for (const MountBackend backend :
       {MountBackend::Auto, MountBackend::Overlay, MountBackend::Aufs, MountBackend::Fuse})
    EXPECT_EQ(parse_backend(backend_name(backend)), backend);
  expect_error(Errc::Invalid,
               "'btrfs' is not a mount backend: there are auto, overlay, aufs and fuse",
               [] { parse_backend("btrfs"); });
}

TEST(MountBackendTest, TheKernelsOverlayIsTheDefault) {
  const BackendChoice choice =
      explain_backend({.driver = StoreDriver::Overlay2, .reason = "", .overlay_problem = {}});
  EXPECT_EQ(choice.backend, MountBackend::Overlay);
  EXPECT_EQ(choice.reason, "the kernel's overlayfs mounts here");
}

TEST(MountBackendTest,
     WhereTheKernelsOverlayDoesNotMountItIsFuseAndTheReasonSaysWhatTheKernelSaid) {
  const BackendChoice choice = explain_backend({.driver = StoreDriver::Overlay2,
                                                .reason = "",
                                                .overlay_problem = "mounting: no such device"});
  EXPECT_EQ(choice.backend, may_mount_fuse() ? MountBackend::Fuse : MountBackend::Auto);
  EXPECT_TRUE(choice.reason.starts_with(
      "the kernel's overlayfs does not mount here: mounting: no such device"))
      << choice.reason;
}

TEST(MountBackendTest, LayersOfAufsAreMountedByTheKernelWhereItCan) {
  const BackendChoice choice =
      explain_backend({.driver = StoreDriver::Aufs, .reason = "", .overlay_problem = "x"});
  if (kernel_has_aufs()) {
    EXPECT_EQ(choice.backend, MountBackend::Aufs);
  } else {
    EXPECT_NE(choice.backend, MountBackend::Aufs);
    EXPECT_TRUE(choice.reason.starts_with("the kernel has no AUFS")) << choice.reason;
  }
}

TEST(MountBackendTest, ABackendThatCannotReadTheLayersIsRefused) {
  const TempDir dir;
  StoreOptions options;
  options.driver = StoreDriver::Aufs;
  const auto aufs = open_store(dir.path("aufs"), options);
  options.driver = StoreDriver::Overlay2;
  const auto overlay = open_store(dir.path("overlay"), options);
  const std::string by_overlay =
      "mounting by overlay: layers of the storage driver aufs are mounted by aufs or fuse";
  expect_error(Errc::Unsupported, by_overlay,
               [&] { require_mountable(*aufs, MountBackend::Overlay); });
  expect_error(Errc::Unsupported, by_overlay,
               [&] { mount_layers(*aufs, {}, {.backend = MountBackend::Overlay}); });
  expect_error(
      Errc::Unsupported,
      "mounting by aufs: layers of the storage driver overlay2 are mounted by overlay or fuse",
      [&] { require_mountable(*overlay, MountBackend::Aufs); });
  if (!kernel_has_aufs()) {
    expect_error(Errc::Unsupported, "mounting by aufs: this kernel has no AUFS",
                 [&] { require_mountable(*aufs, MountBackend::Aufs); });
  }
  require_mountable(*overlay, MountBackend::Auto);
}

TEST(ServerEndTest, IsTheEndOfWhatIsConnectedAndNotWhatItSays) {
  int ends[2] = {-1, -1};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
  const Fd ours(ends[0]);
  Fd theirs(ends[1]);
  EXPECT_TRUE(await_server_end(Fd(), 0));
  EXPECT_FALSE(await_server_end(ours, 0));
  ASSERT_EQ(::send(theirs.get(), "x", 1, 0), 1);
  EXPECT_FALSE(await_server_end(ours, 10));
  std::thread server([&] { theirs.reset(); });
  EXPECT_TRUE(await_server_end(ours, 60'000));
  server.join();
}

}  // namespace
}  // namespace layerkit::testing
