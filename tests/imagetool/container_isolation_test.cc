#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "container_fixture.h"

namespace layerkit::testing {
namespace {

class IsolationTest : public ContainerTest {};

std::string host_namespace(const char* kind) {
  return std::filesystem::read_symlink(std::string("/proc/self/ns/") + kind).string();
}

TEST_P(IsolationTest, SeccompIsDockersUnlessAskedOtherwise) {
  const std::string look = " box grep Seccomp: /proc/self/status";
  EXPECT_EQ(run_output("--rm" + look), "Seccomp:\t2");
  EXPECT_EQ(run_output("--rm --security-opt seccomp=unconfined" + look), "Seccomp:\t0");
  EXPECT_EQ(run_output("--rm --security-opt seccomp=builtin" + look), "Seccomp:\t2");
  EXPECT_EQ(run_output("--rm --privileged" + look), "Seccomp:\t0");
  EXPECT_TRUE(std::filesystem::is_directory(dir_.path("images/seccomp")));
  EXPECT_EQ(leftovers(), "");
}

TEST_P(IsolationTest, AProfileIsReadOnceAndRecorded) {
  const std::string path = dir_.path("profile.json");
  std::ofstream(path) << R"({"defaultAction":"SCMP_ACT_ALLOW","syscalls":[
    {"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":28,
     "excludes":{"caps":["CAP_SYS_ADMIN"]}}]})";
  const std::string options = "--security-opt seccomp=" + path;
  expect("--name strict " + options + " box mkdir /x", 1, "No space left on device");
  EXPECT_EQ(run("--rm --cap-add SYS_ADMIN " + options + " box mkdir /x").exit_code, 0);
  expect("--rm --privileged --cap-drop SYS_ADMIN " + options + " box mkdir /x", 0, "");
  const std::string recorded = inspect("strict")["HostConfig"]["SecurityOpt"][0];
  EXPECT_TRUE(recorded.starts_with("seccomp={\"defaultAction\"")) << recorded;
}

TEST_P(IsolationTest, SecurityOptionsThatCannotBeAreRefused) {
  const std::string path = dir_.path("profile.json");
  std::ofstream(path) << R"({"defaultAction":"SCMP_ACT_ALLOW","nonsense":1})";
  expect("--security-opt seccomp=" + path + " box true", 125, "nonsense");
  expect("--security-opt seccomp=/nosuch box true", 125, "opening seccomp profile '/nosuch'");
  expect("--security-opt nonsense=1 box true", 125, "nonsense=1");
  std::ofstream(path) << R"({"defaultAction":"SCMP_ACT_NONSENSE"})";
  expect("--security-opt seccomp=" + path + " box true", 125, "SCMP_ACT_NONSENSE");
  EXPECT_EQ(leftovers(), "");
}

TEST_P(IsolationTest, APrivilegedContainerHasWhatItsCallerHas) {
  const std::string bounding = run_command(
                                   "grep -o '[0-9a-f]*$' /proc/self/status -m1 >/dev/null; "
                                   "grep CapBnd /proc/self/status | grep -o '[0-9a-f]*$'")
                                   .output;
  EXPECT_EQ(run_output("--rm --privileged box sh -c "
                       "'grep CapEff /proc/self/status | grep -o \"[0-9a-f]*$\"'") +
                "\n",
            bounding);
  EXPECT_EQ(run_output("--rm --privileged box sh -c "
                       "'grep -c \" /sys sysfs rw\" /proc/mounts; "
                       "grep -c \" /proc/[a-z]\" /proc/mounts; mkdir /dev/x && echo made'"),
            "1\n0\nmade");
  EXPECT_EQ(run_output("--rm --privileged box stat -c '%t:%T' /dev/kmsg"), "1:b");
  const auto plain = run("--rm box ls /dev/kmsg");
  EXPECT_NE(plain.exit_code, 0) << plain.output;
}

TEST_P(IsolationTest, ADeviceIsThereWithTheAccessThatIsGiven) {
  // One that anybody may open who gets hold of it, and that is not of the usual ones.
  if (!may_mount_fuse()) GTEST_SKIP() << "needs FUSE";
  const std::string node = dir_.path("node");
  ASSERT_EQ(::mknod(node.c_str(), S_IFCHR | 0666, ::makedev(10, 229)), 0);
  EXPECT_EQ(run_output("--name dev --device " + node +
                       ":/dev/other:r box "
                       "sh -c 'stat -c %t:%T /dev/other; head -c 0 /dev/other && echo read'"),
            "a:e5\nread");
  expect("--rm --device " + node + ":/dev/other:r box sh -c ': > /dev/other'", 1,
         "Operation not permitted");
  EXPECT_EQ(run("--rm --device " + node + ":/dev/other box sh -c ': > /dev/other'").exit_code, 0);
  const auto recorded = inspect("dev")["HostConfig"]["Devices"][0];
  EXPECT_EQ(recorded["PathInContainer"], "/dev/other");
  EXPECT_EQ(recorded["CgroupPermissions"], "r");
  expect("--rm --device /dev/nosuch box true", 125, "/dev/nosuch");
  expect("--rm --device /etc/passwd box true", 125, "not a device");
  expect(
      "--rm --device-cgroup-rule 'c 10:229 r' box sh -c "
      "'busybox mknod /x c 10 229 && head -c 0 /x && echo opened'",
      0, "opened");
  tool("rm dev");
  EXPECT_EQ(leftovers(), "");
}

TEST_P(IsolationTest, NamespacesOfTheHostAreJoined) {
  for (const char* kind : {"pid", "ipc", "uts"}) {
    const std::string look = std::string(" box busybox readlink /proc/self/ns/") + kind;
    EXPECT_EQ(run_output(std::string("--rm --") + kind + " host" + look), host_namespace(kind));
    EXPECT_NE(run_output("--rm" + look), host_namespace(kind));
  }
  EXPECT_EQ(run_output("--rm --cgroupns host box busybox readlink /proc/self/ns/cgroup"),
            host_namespace("cgroup"));
  EXPECT_EQ(run_output("--rm --uts host box hostname"),
            run_command("hostname").output.substr(0, run_command("hostname").output.size() - 1));
  expect("--uts host -h x box true", 125, "hostname and the UTS mode");
  expect("--pid container:x box true", 125, "not supported");
  expect("--ipc nonsense box true", 125, "invalid argument 'nonsense' for --ipc");
  expect("--userns keep-id box true", 125, "only 'host' exists");
  EXPECT_EQ(run("--rm --userns host box true").exit_code, 0);
  EXPECT_EQ(leftovers(), "");
}

TEST_P(IsolationTest, AnInitReapsAndForwards) {
  EXPECT_EQ(run_output("--rm --init box sh -c 'cat /proc/1/cmdline | tr \"\\0\" \" \"; echo $$'"),
            "/sbin/docker-init -- sh -c cat /proc/1/cmdline | tr \"\\0\" \" \"; echo $$ 2");
  EXPECT_EQ(run("--rm --init box sh -c 'exit 7'").exit_code, 7);
  EXPECT_EQ(run("--rm --init box sh -c 'kill -9 $$'").exit_code, 137);
  expect("--rm --init box nosuch", 127, "nosuch");
  expect("--rm --init box /etc/not-executable", 126, "not-executable");
  // An orphan's end leaves no zombie; TERM, which a first process ignores by default, ends it.
  EXPECT_EQ(run_output("--rm --init box sh -c '(true & ) ; sleep 0.2; "
                       "grep -l zombie /proc/[0-9]*/status; echo done'"),
            "done");
  tool("run --cgroup-parent " + parent_ + " " + backend_option() +
       "-d --name calm --init box "
       "sleep 1000");
  EXPECT_EQ(tool("stop -t 30 calm").exit_code, 0);
  EXPECT_EQ(inspect("calm")["State"]["ExitCode"], 143);
  EXPECT_EQ(output("diff calm"), "");
  tool("rm calm");
  EXPECT_EQ(leftovers(), "");
}

TEST_P(IsolationTest, GroupsAndSizeOfSharedMemory) {
  EXPECT_EQ(run_output("--rm --group-add team --group-add 99 box id -G"), "0 77 99");
  expect("--rm --group-add nosuch box true", 125, "unable to find group 'nosuch'");
  EXPECT_EQ(run_output("--rm --shm-size 1m box grep -c '/dev/shm.*size=1024k' /proc/mounts"), "1");
}

TEST_P(IsolationTest, OnlyDockersDefaultOfRestartExists) {
  EXPECT_EQ(run("--rm --restart no box true").exit_code, 0);
  expect("--restart always box true", 125, "no daemon");
}

TEST_P(IsolationTest, SysctlsOfTheContainersNamespaces) {
  EXPECT_EQ(run_output("--rm --sysctl net.ipv4.ip_forward=1 --sysctl kernel.msgmax=4242 box "
                       "cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax"),
            "1\n4242");
  expect("--rm --ipc host --sysctl kernel.msgmax=1 box true", 125, "kernel.msgmax");
}

INSTANTIATE_TEST_SUITE_P(Backends, IsolationTest, kMountChoices, name_of);

}  // namespace
}  // namespace layerkit::testing
