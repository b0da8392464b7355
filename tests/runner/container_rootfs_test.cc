#include "expect_error.h"
#include "runner_fixture.h"

namespace layerkit::testing {
namespace {

using ContainerRootfsTest = ContainerTest;

std::string namespace_of_test(const std::string& name) {
  return std::filesystem::read_symlink("/proc/self/ns/" + name).string();
}

TEST_F(ContainerRootfsTest, HasNamespacesOfItsOwn) {
  rootfs().replace_by_link("bin/readlink", "busybox");
  for (const std::string name : {"mnt", "pid", "uts", "ipc", "net", "cgroup"}) {
    const Outcome outcome = run(rootfs(), spec_of({"readlink", "/proc/self/ns/" + name}));
    EXPECT_TRUE(outcome.output.starts_with(name + ":[")) << outcome.output;
    EXPECT_NE(outcome.output, namespace_of_test(name) + "\n");
  }
  EXPECT_EQ(run(rootfs(), spec_of({"readlink", "/proc/self/ns/user"})).output,
            namespace_of_test("user") + "\n");
}

TEST_F(ContainerRootfsTest, SharesTheNamespacesThatAreSwitchedOff) {
  rootfs().replace_by_link("bin/readlink", "busybox");
  for (const std::string name : {"pid", "uts", "ipc", "net", "cgroup"}) {
    ContainerSpec spec = spec_of({"readlink", "/proc/self/ns/" + name});
    spec.hostname.clear();
    const Namespace caller = {Namespace::From::Caller, {}};
    spec.namespaces = {{}, caller, caller, caller, caller, caller, caller, caller};
    EXPECT_EQ(run(rootfs(), std::move(spec)).output, namespace_of_test(name) + "\n");
  }
}

TEST_F(ContainerRootfsTest, HostnameAndLoopbackAreSet) {
  rootfs().replace_by_link("bin/hostname", "busybox");
  const Outcome outcome = run(rootfs(), shell("hostname; ip -o addr show lo"));
  EXPECT_TRUE(outcome.output.starts_with("box\n")) << outcome.output;
  EXPECT_NE(outcome.output.find("127.0.0.1/8"), std::string::npos) << outcome.output;
}

TEST_F(ContainerRootfsTest, ProcShowsItsOwnProcessesOnly) {
  EXPECT_EQ(run(rootfs(), shell("echo $$; cd /proc && echo [0-9]*")).output, "1\n1\n");
}

TEST_F(ContainerRootfsTest, NothingOfTheHostIsMounted) {
  const Outcome outcome = run(rootfs(), shell("cat /proc/self/mountinfo"));
  // One root, and only mounts of our own making below it.
  std::size_t roots = 0;
  for (std::size_t at = outcome.output.find(" / rw"); at != std::string::npos;
       at = outcome.output.find(" / rw", at + 1)) {
    ++roots;
  }
  EXPECT_EQ(roots, 1U) << outcome.output;
  EXPECT_EQ(outcome.output.find("/proc/sys/fs/binfmt_misc"), std::string::npos);
}

TEST_F(ContainerRootfsTest, DevicesWork) {
  const Outcome outcome = run(rootfs(), shell(R"(
    echo x > /dev/null && cat /dev/null
    dd if=/dev/zero bs=4 count=1 2>/dev/null | busybox od -An -tx1
    dd if=/dev/urandom of=/dev/null bs=8 count=1 2>/dev/null || echo urandom
    dd if=/dev/random of=/dev/null bs=8 count=1 2>/dev/null || echo random
    echo x 2>/dev/null > /dev/full || echo full
    for each in null zero full random urandom tty; do stat -c '%n %t:%T %a' /dev/$each; done
    for each in ptmx fd stdin stdout stderr core; do busybox readlink /dev/$each; done
    ls /dev
    [ -c /dev/pts/ptmx ] && echo pts
    stat -f -c %T /dev/shm; touch /dev/shm/x && echo shm
    busybox grep -q mqueue /proc/self/mountinfo && echo mqueue
  )"));
  EXPECT_EQ(outcome.output,
            " 00 00 00 00\nfull\n"
            "/dev/null 1:3 666\n/dev/zero 1:5 666\n/dev/full 1:7 666\n/dev/random 1:8 666\n"
            "/dev/urandom 1:9 666\n/dev/tty 5:0 666\n"
            "pts/ptmx\n/proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\n"
            "/proc/kcore\n"
            "core\nfd\nfull\nmqueue\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\ntty\n"
            "urandom\nzero\npts\ntmpfs\nshm\nmqueue\n");
}

TEST_F(ContainerRootfsTest, MaskedPathsAreEmpty) {
  const Outcome outcome = run(rootfs(), shell(R"(
    cat /proc/interrupts /proc/timer_list /proc/keys 2>&1
    ls /proc/acpi /sys/firmware 2>/dev/null
    touch /sys/firmware/x 2>/dev/null || echo refused
  )"));
  EXPECT_EQ(outcome.output.find("CPU0"), std::string::npos) << outcome.output;
  EXPECT_NE(outcome.output.find("refused\n"), std::string::npos);
}

TEST_F(ContainerRootfsTest, MaskedFilesAndDirectoriesOfTheImageAreEmpty) {
  rootfs().write("etc/secret", "secret", 0644);
  make_dir_at(rootfs().fd(), "home/hidden", 0755);
  rootfs().write("home/hidden/file", "secret", 0644);
  ContainerSpec spec = shell("cat /etc/secret; ls /home/hidden; echo end");
  spec.masked_paths.insert(spec.masked_paths.end(), {"/etc/secret", "/home/hidden", "/absent"});
  EXPECT_EQ(run(rootfs(), std::move(spec)).output, "end\n");
}

TEST_F(ContainerRootfsTest, ReadOnlyPathsRefuseWrites) {
  ContainerSpec spec = shell("echo x > /proc/sys/kernel/hostname; touch /home/x /sys/x");
  spec.read_only_paths.insert(spec.read_only_paths.end(), {"/home", "/absent"});
  EXPECT_EQ(run(rootfs(), std::move(spec)).output,
            "sh: can't create /proc/sys/kernel/hostname: Read-only file system\n"
            "touch: /home/x: Read-only file system\n"
            "touch: /sys/x: Read-only file system\n");
}

TEST_F(ContainerRootfsTest, AReadOnlyRootStillHasWritableMounts) {
  ContainerSpec spec = shell("touch /x; touch /tmp/x; touch /dev/shm/x /scratch/x && echo fine");
  spec.read_only_rootfs = true;
  ContainerMount scratch;
  scratch.type = "tmpfs";
  scratch.target = "/scratch";
  scratch.data = {"size=64k", "mode=700"};
  spec.mounts.push_back(std::move(scratch));
  EXPECT_EQ(run(rootfs(), std::move(spec)).output,
            "touch: /x: Read-only file system\ntouch: /tmp/x: Read-only file system\nfine\n");
}

TEST_F(ContainerRootfsTest, BindsDirectoriesAndFiles) {
  const TempDir host;
  write_file_at(host.fd(), "file", "content\n", 0644);
  ContainerSpec spec = shell("cat /mnt/dir/file /etc/single; echo new > /mnt/dir/out");
  spec.mounts.push_back(bind_of(host.path(), "/mnt/dir"));
  spec.mounts.push_back(bind_of(host.path("file"), "/etc/single"));
  EXPECT_EQ(run(rootfs(), std::move(spec)).output, "content\ncontent\n");
  EXPECT_EQ(read_file_at(host.fd(), "out", 100), "new\n");
}

TEST_F(ContainerRootfsTest, ReadOnlyBindsRefuseWrites) {
  const TempDir host;
  ContainerSpec spec = shell("touch /mnt/x");
  spec.mounts.push_back(bind_of(host.path(), "/mnt"));
  spec.mounts.back().recursive_attributes.set |= MOUNT_ATTR_RDONLY;
  EXPECT_EQ(run(rootfs(), std::move(spec)).output, "touch: /mnt/x: Read-only file system\n");
}

TEST_F(ContainerRootfsTest, AFileOverADirectoryIsAnErrorThatNamesBoth) {
  const TempDir host;
  write_file_at(host.fd(), "file", "", 0644);
  ContainerSpec spec = shell("true");
  spec.mounts.push_back(bind_of(host.path("file"), "/tmp"));
  const Refusal refusal = refused(rootfs(), std::move(spec));
  EXPECT_EQ(refusal.message, "mounting '" + host.path("file") + "' on '/tmp': Is a directory");
}

TEST_F(ContainerRootfsTest, UnknownMountOptionsAreAnErrorThatNamesTheMount) {
  ContainerSpec spec = shell("true");
  ContainerMount mount;
  mount.type = "tmpfs";
  mount.target = "/scratch";
  mount.data = {"nonsense=1"};
  spec.mounts.push_back(std::move(mount));
  EXPECT_EQ(refused(rootfs(), std::move(spec)).message,
            "mounting 'tmpfs' on '/scratch': Invalid argument");
}

TEST_F(ContainerRootfsTest, SysctlsOfItsNamespacesAreSet) {
  ContainerSpec spec = shell("cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax");
  spec.sysctls = {{"net.ipv4.ip_forward", "1"}, {"kernel.msgmax", "12345"}};
  EXPECT_EQ(run(rootfs(), std::move(spec)).output, "1\n12345\n");
}

TEST_F(ContainerRootfsTest, UnknownSysctlsAreAnErrorThatNamesThem) {
  ContainerSpec spec = shell("true");
  spec.sysctls = {{"net.ipv4.nonsense", "1"}};
  EXPECT_EQ(refused(rootfs(), std::move(spec)).message,
            "setting sysctl 'net.ipv4.nonsense': No such file or directory");
}

}  // namespace
}  // namespace layerkit::testing
