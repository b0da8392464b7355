#include "runner_fixture.h"
#include "user_namespace.h"

namespace layerkit::testing {
namespace {

// The ordinary user's container: the caller is root of a user namespace with one id, and may not
// make cgroups.

bool has_busybox() {
  return std::filesystem::exists(kBusybox);
}

TEST(RootlessContainerTest, RunsWithoutCgroups) {
  if (!has_busybox()) GTEST_SKIP() << "needs /bin/busybox (package busybox-static)";
  in_user_namespace([] {
    const BusyboxRootfs rootfs;
    const Outcome outcome =
        run(rootfs,
            shell("id -u; echo $$; echo x > /dev/null && echo null; ls /sys/fs/cgroup; exit 6"));
    EXPECT_EQ(outcome.output, "0\n1\nnull\n");
    EXPECT_EQ(outcome.status.code, 6);
  });
}

TEST(RootlessContainerTest, ALimitIsRefusedWhereCgroupsCannotBeMade) {
  if (!has_busybox()) GTEST_SKIP() << "needs /bin/busybox (package busybox-static)";
  in_user_namespace([] {
    const BusyboxRootfs rootfs;
    ContainerSpec spec = shell("true");
    spec.resources.pids_limit = 10;
    const Refusal refusal = refused(rootfs, std::move(spec));
    EXPECT_EQ(refusal.code, Errc::Unsupported);
    EXPECT_TRUE(refusal.message.starts_with("limiting processes: ")) << refusal.message;
  });
}

}  // namespace
}  // namespace layerkit::testing
