// What a spec can say of the process, its devices and mounts beyond what imagetool asks for.

#include <sched.h>
#include <sys/personality.h>

#include "runner_fixture.h"

namespace layerkit::testing {
namespace {

class ContainerSettingsTest : public ContainerTest {
 protected:
  std::string output_of(ContainerSpec spec) { return run(rootfs(), std::move(spec)).output; }
};

TEST_F(ContainerSettingsTest, DomainNameAndUmask) {
  ContainerSpec spec = shell("cat /proc/sys/kernel/domainname; umask");
  spec.domainname = "realm";
  spec.process.umask = 027;
  EXPECT_EQ(output_of(std::move(spec)), "realm\n0027\n");
}

TEST_F(ContainerSettingsTest, PersonalityAndPriorities) {
  ContainerSpec spec = shell(
      "busybox uname -m; set -- $(cat /proc/self/stat); shift 18; echo nice $1; shift 22; "
      "echo policy $1; busybox ionice -p $$");
  spec.personality = PER_LINUX32;
  spec.process.scheduler.emplace();
  spec.process.scheduler->policy = SCHED_BATCH;
  spec.process.scheduler->nice = 5;
  spec.process.io_priority = 3 << 13;
  EXPECT_EQ(output_of(std::move(spec)), "i686\nnice 5\npolicy 3\nidle\n");
}

TEST_F(ContainerSettingsTest, TheFiveCapabilitySets) {
  ContainerSpec spec = shell("busybox grep ^Cap /proc/self/status");
  spec.process.uid = 1000;
  spec.process.capabilities = {.bounding = {"CAP_CHOWN", "CAP_KILL", "CAP_SETUID"},
                               .effective = {"CAP_KILL"},
                               .permitted = {"CAP_CHOWN", "CAP_KILL"},
                               .inheritable = {"CAP_KILL"},
                               .ambient = {"CAP_KILL"}};
  // Execution leaves another user than root with what is ambient.
  EXPECT_EQ(output_of(std::move(spec)),
            "CapInh:\t0000000000000020\nCapPrm:\t0000000000000020\nCapEff:\t0000000000000020\n"
            "CapBnd:\t00000000000000a1\nCapAmb:\t0000000000000020\n");
}

TEST_F(ContainerSettingsTest, AnAmbientCapabilityNeedsTheOthers) {
  ContainerSpec spec = shell("true");
  spec.process.capabilities.ambient = {"CAP_SYS_TIME"};
  EXPECT_EQ(refused(rootfs(), std::move(spec)).message,
            "making capability 'CAP_SYS_TIME' ambient: Operation not permitted");
}

ContainerDevice null_named(const std::string& path) {
  ContainerDevice device;
  device.path = path;
  device.major = 1;
  device.minor = 3;
  device.mode = 0640;
  device.uid = 7;
  device.gid = 8;
  return device;
}

TEST_F(ContainerSettingsTest, DevicesAreMade) {
  if (!has_v1("devices")) GTEST_SKIP() << "needs the devices controller of cgroup v1";
  ContainerSpec spec = shell(
      "busybox stat -c '%n %F %t:%T %a %u %g' /dev/null /dev/deep/er /tmp/pipe; "
      "echo x >/dev/deep/er && echo written");
  spec.devices.push_back(null_named("/dev/deep/er"));
  spec.devices.push_back({.path = "/tmp/pipe", .type = 'p', .mode = 0600});
  EXPECT_EQ(output_of(std::move(spec)),
            "/dev/null character special file 1:3 666 0 0\n"
            "/dev/deep/er character special file 1:3 640 7 8\n"
            "/tmp/pipe fifo 0:0 600 0 0\nwritten\n");
}

TEST_F(ContainerSettingsTest, ADeviceOfTheSpecReplacesAUsualOne) {
  if (!has_v1("devices")) GTEST_SKIP() << "needs the devices controller of cgroup v1";
  ContainerSpec spec = shell("busybox stat -c '%a %u' /dev/null");
  spec.devices.push_back(null_named("/dev/null"));
  EXPECT_EQ(output_of(std::move(spec)), "640 7\n");
}

TEST_F(ContainerSettingsTest, ALinkInsteadOfDevLeadsNowhereElse) {
  if (!has_v1("devices")) GTEST_SKIP() << "needs the devices controller of cgroup v1";
  const std::string elsewhere = "/layerkit-test-" + unique_id();
  rootfs().replace_by_link("dev", elsewhere);
  ContainerSpec spec = shell("busybox stat -c %t:%T /dev/x");
  std::erase_if(spec.mounts,
                [](const ContainerMount& mount) { return mount.target.starts_with("/dev"); });
  spec.devices.push_back(null_named("/dev/x"));
  EXPECT_EQ(refused(rootfs(), std::move(spec)).message,
            "making device '/dev/null': '/dev' of the root file system is a symlink");
  EXPECT_FALSE(std::filesystem::exists(elsewhere));
}

TEST_F(ContainerSettingsTest, AnObjectInADevicesPlaceIsNoDevice) {
  if (!has_v1("devices")) GTEST_SKIP() << "needs the devices controller of cgroup v1";
  rootfs().write("etc/x", "text", 0644);
  ContainerSpec spec = shell("true");
  spec.devices.push_back(null_named("/etc/x"));
  EXPECT_EQ(refused(rootfs(), std::move(spec)).message, "making device '/etc/x': File exists");
}

TEST_F(ContainerSettingsTest, DevicesDoNotGoIntoProc) {
  ContainerSpec spec = shell("true");
  spec.devices.push_back({.path = "/proc/pipe", .type = 'p'});
  EXPECT_EQ(refused(rootfs(), std::move(spec)).message,
            "making device '/proc/pipe': it leads into a proc or sysfs file system");
}

TEST_F(ContainerSettingsTest, AttributesOfABindAreSetAndCleared) {
  const TempDir host;
  ContainerSpec spec = shell("busybox grep -o ' /data [^ ]*' /proc/self/mountinfo");
  ContainerMount bind = bind_of(host.path(), "/data");
  bind.recursive_attributes.set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOATIME;
  bind.recursive_attributes.clear = MOUNT_ATTR__ATIME;
  bind.attributes.clear = MOUNT_ATTR_NOEXEC;
  spec.mounts.push_back(std::move(bind));
  const std::string output = output_of(std::move(spec));
  EXPECT_NE(output.find("nosuid"), std::string::npos) << output;
  EXPECT_NE(output.find("noatime"), std::string::npos) << output;
  EXPECT_EQ(output.find("noexec"), std::string::npos) << output;
}

TEST_F(ContainerSettingsTest, PropagationIsPrivateUnlessAskedFor) {
  const auto peers = [&](unsigned long propagation) {
    ContainerSpec spec =
        shell("busybox grep ' /data ' /proc/self/mountinfo | busybox grep -o 'shared:\\|master:'");
    ContainerMount mount;
    mount.type = "tmpfs";
    mount.source = "tmpfs";
    mount.target = "/data";
    mount.propagation = propagation;
    spec.mounts.push_back(std::move(mount));
    return output_of(std::move(spec));
  };
  EXPECT_EQ(peers(0), "");
  EXPECT_EQ(peers(MS_SHARED), "shared:\n");
}

TEST_F(ContainerSettingsTest, TheRootCanBeShared) {
  ContainerSpec spec = shell(
      "while read -r a b c d e f; do [ \"$e\" = / ] && echo \"$f\"; done </proc/self/mountinfo | "
      "busybox grep -o shared:");
  spec.rootfs_propagation = MS_SHARED;
  EXPECT_EQ(output_of(std::move(spec)), "shared:\n");
}

TEST_F(ContainerSettingsTest, WhatIsNotDoneIsRefusedByName) {
  const auto expect_refusal = [&](const char* message, const auto& change) {
    ContainerSpec spec = shell("true");
    change(spec);
    const Refusal refusal = refused(rootfs(), std::move(spec));
    EXPECT_EQ(refusal.code, Errc::Unsupported);
    EXPECT_EQ(refusal.message, message);
  };
  expect_refusal("starting the container: hooks are run by Runtime alone",
                 [](ContainerSpec& spec) { spec.hooks.poststop.emplace_back(); });
  expect_refusal("starting the container: SELinux is not supported",
                 [](ContainerSpec& spec) { spec.process.selinux_label = "a:b:c:d"; });
}

TEST_F(ContainerSettingsTest, AnAppArmorProfileThatCannotBeHadIsNamed) {
  ContainerSpec spec = shell("true");
  spec.process.apparmor_profile = "no-such-profile";
  EXPECT_EQ(refused(rootfs(), std::move(spec)).message,
            has_apparmor() ? "setting AppArmor profile 'no-such-profile': No such file or directory"
                           : "setting AppArmor profile 'no-such-profile': this system has no "
                             "AppArmor");
}

}  // namespace
}  // namespace layerkit::testing
