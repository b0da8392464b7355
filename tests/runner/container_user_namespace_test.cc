#include "expect_error.h"
#include "runner_fixture.h"

namespace layerkit::testing {
namespace {

using ContainerUserNamespaceTest = ContainerTest;

ContainerSpec mapped(ContainerSpec spec) {
  spec.namespaces.user.from = Namespace::From::New;
  spec.uid_mappings = {{0, 100'000, 1000}};
  spec.gid_mappings = {{0, 200'000, 1000}};
  return spec;
}

/// The rootfs must belong to the mapped ids, else its directories cannot get mount points.
void give_to_mapped_root(const BusyboxRootfs& rootfs) {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(rootfs.path())) {
    ASSERT_EQ(::lchown(entry.path().c_str(), 100'000, 200'000), 0);
  }
  ASSERT_EQ(::chown(rootfs.path().c_str(), 100'000, 200'000), 0);
  ASSERT_EQ(::chmod(rootfs.path().c_str(), 0755), 0);
}

TEST_F(ContainerUserNamespaceTest, RootInsideIsTheMappedUserOutside) {
  give_to_mapped_root(rootfs());
  const Outcome outcome =
      run(rootfs(), mapped(shell("id -u; id -g; cat /proc/self/uid_map; echo x > /dev/null; touch "
                                 "/made; ls /proc/1/fd; exit 0")));
  EXPECT_EQ(outcome.output, "0\n0\n         0     100000       1000\n0\n1\n2\n");
  const auto made = stat_at(rootfs().fd(), "made");
  ASSERT_TRUE(made.has_value());
  EXPECT_EQ(made->uid, 100'000U);
  EXPECT_EQ(made->gid, 200'000U);
}

TEST_F(ContainerUserNamespaceTest, DevicesAreTheHostsNodesAndNoOthersWork) {
  give_to_mapped_root(rootfs());
  const Outcome outcome = run(rootfs(), mapped(shell(R"(
    for each in null zero full random urandom tty; do stat -c '%n %t:%T' /dev/$each; done
    dd if=/dev/zero of=/dev/null bs=1 count=1 2>/dev/null && echo usable
    busybox mknod /tmp/x c 1 3 2>/dev/null || echo refused
    touch /dev/shm/x /dev/mqueue && echo writable
  )")));
  EXPECT_EQ(outcome.output,
            "/dev/null 1:3\n/dev/zero 1:5\n/dev/full 1:7\n/dev/random 1:8\n/dev/urandom 1:9\n"
            "/dev/tty 5:0\nusable\nrefused\nwritable\n");
}

TEST_F(ContainerUserNamespaceTest, OtherUsersAndGroupsWorkWithinTheMapping) {
  give_to_mapped_root(rootfs());
  ContainerSpec spec = mapped(shell("id -u; id -G"));
  spec.process.uid = 7;
  spec.process.gid = 8;
  spec.process.additional_gids = {9};
  EXPECT_EQ(run(rootfs(), std::move(spec)).output, "7\n8 9\n");
}

TEST_F(ContainerUserNamespaceTest, AnUnmappedUserIsAnErrorThatNamesIt) {
  give_to_mapped_root(rootfs());
  ContainerSpec spec = mapped(shell("true"));
  spec.process.uid = 5000;
  EXPECT_EQ(refused(rootfs(), std::move(spec)).message, "becoming user 5000: Invalid argument");
}

TEST_F(ContainerUserNamespaceTest, OverlappingMappingsAreAnError) {
  ContainerSpec spec = mapped(shell("true"));
  spec.uid_mappings.push_back({500, 300'000, 10});
  EXPECT_EQ(refused(rootfs(), std::move(spec)).message, "mapping ids: 500 is mapped twice");
}

TEST_F(ContainerUserNamespaceTest, MemoryLimitsHoldInside) {
  give_to_mapped_root(rootfs());
  ContainerSpec spec =
      mapped(spec_of({"dd", "if=/dev/zero", "of=/dev/null", "bs=200M", "count=1"}));
  spec.resources.memory.limit = 30U << 20U;
  const Outcome outcome = run(rootfs(), std::move(spec));
  EXPECT_EQ(outcome.status.code, 137);
  EXPECT_TRUE(outcome.status.out_of_memory);
}

}  // namespace
}  // namespace layerkit::testing
