#include <signal.h>
#include <sys/sysmacros.h>

#include <thread>

#include "expect_error.h"
#include "layerkit/base/digest.h"
#include "runner_fixture.h"

namespace layerkit::testing {
namespace {

using ContainerSecurityTest = ContainerTest;

TEST_F(ContainerSecurityTest, RefusesAProcThatIsASymlink) {
  make_dir_at(rootfs().fd(), "fake", 0755);
  rootfs().replace_by_link("proc", "fake");
  EXPECT_EQ(refused(rootfs(), shell("true")).message,
            "mounting 'proc' on '/proc': must be mounted on ordinary directory, not on a symlink");
}

TEST_F(ContainerSecurityTest, RefusesASysThatIsASymlink) {
  rootfs().replace_by_link("sys", "/etc");
  EXPECT_EQ(refused(rootfs(), shell("true")).message,
            "mounting 'sysfs' on '/sys': must be mounted on ordinary directory, not on a symlink");
}

TEST_F(ContainerSecurityTest, RefusesAProcThatIsAFile) {
  remove_tree_at(rootfs().fd(), "proc");
  rootfs().write("proc", "", 0644);
  EXPECT_EQ(refused(rootfs(), shell("true")).message,
            "mounting 'proc' on '/proc': Not a directory");
}

TEST_F(ContainerSecurityTest, ADevThatIsASymlinkPopulatesNothingOutside) {
  const TempDir canary;
  if (canary.path().starts_with("/dev/")) GTEST_SKIP() << "TMPDIR lies in /dev: a loop of links";
  for (const std::string& target : {canary.path(), "../../../../.." + canary.path()}) {
    rootfs().replace_by_link("dev", target);
    const Outcome outcome = run(rootfs(), shell("echo fine > /dev/null && ls -d " + canary.path()));
    EXPECT_EQ(outcome.output, canary.path() + "\n");
    EXPECT_TRUE(list_dir(canary.fd()).empty());
  }
}

TEST_F(ContainerSecurityTest, MountTargetsBehindSymlinksStayInside) {
  const TempDir canary;
  const TempDir host;
  write_file_at(host.fd(), "file", "content\n", 0644);
  rootfs().replace_by_link("etc", canary.path());
  rootfs().replace_by_link("home", "../../../../../../" + canary.path() + "/deep");
  ContainerSpec spec = shell("cat /etc/volume/file /home/single");
  spec.mounts.push_back(bind_of(host.path(), "/etc/volume"));
  spec.mounts.push_back(bind_of(host.path("file"), "/home/single"));
  EXPECT_EQ(run(rootfs(), std::move(spec)).output, "content\ncontent\n");
  EXPECT_TRUE(list_dir(canary.fd()).empty());
}

TEST_F(ContainerSecurityTest, ASymlinkMustNotLeadAVolumeIntoProc) {
  const TempDir host;
  rootfs().replace_by_link("home", "/proc/self");
  ContainerSpec spec = shell("true");
  spec.mounts.push_back(bind_of(host.path(), "/home/attr"));
  spec.mounts.back().source = "volume";
  EXPECT_EQ(refused(rootfs(), std::move(spec)).message,
            "mounting 'volume' on '/home/attr': the target leads into a proc file system");
}

TEST_F(ContainerSecurityTest, ASymlinkMustNotLeadAVolumeIntoSysfs) {
  const TempDir host;
  rootfs().replace_by_link("home", "/sys");
  ContainerSpec spec = shell("true");
  spec.mounts.push_back(bind_of(host.path(), "/home/kernel"));
  spec.mounts.back().source = "volume";
  EXPECT_EQ(refused(rootfs(), std::move(spec)).message,
            "mounting 'volume' on '/home/kernel': the target leads into a sysfs");
}

TEST_F(ContainerSecurityTest, SymlinkLoopsEnd) {
  rootfs().replace_by_link("home", "tmp/a");
  rootfs().replace_by_link("tmp", "home/b");
  ContainerSpec spec = shell("true");
  spec.process.cwd = "/home/x";
  EXPECT_EQ(refused(rootfs(), std::move(spec)).message,
            "entering working directory '/home/x': Too many levels of symbolic links");
}

TEST_F(ContainerSecurityTest, RefusesAWorkingDirectoryThroughADescriptor) {
  const Fd leak(::open("/", O_RDONLY | O_DIRECTORY));  // NOLINT(android-cloexec-open)
  for (int fd = 0; fd <= 20; ++fd) {
    ContainerSpec spec = shell("pwd");
    spec.process.cwd = fmt::format("/proc/self/fd/{}", fd);
    const Refusal refusal = refused(rootfs(), std::move(spec));
    EXPECT_TRUE(refusal.message.starts_with("entering working directory '/proc/self/fd/"))
        << refusal.message;
  }
  rootfs().replace_by_link("home", "/proc/self/fd/10");
  ContainerSpec spec = shell("pwd");
  spec.process.cwd = "/home";
  EXPECT_TRUE(refused(rootfs(), std::move(spec))
                  .message.starts_with("entering working directory '/home': "));
}

TEST_F(ContainerSecurityTest, NoDescriptorButTheStreamsReachesTheProgram) {
  const int root = ::open("/", O_RDONLY | O_DIRECTORY);  // NOLINT(android-cloexec-open)
  for (const int fd : {10, 11, 200})
    ASSERT_EQ(::dup2(root, fd), fd);  // not close-on-exec
  // The shell's own glob opens the directory itself.
  const Outcome outcome =
      run(rootfs(), shell("for each in 3 4 5 6 7 8 9 10 11 12 200; do [ -e /proc/self/fd/$each ] "
                          "&& busybox readlink /proc/$$/fd/$each; done; ls /proc/1/fd; exit 0"));
  for (const int fd : {10, 11, 200, root})
    ::close(fd);
  EXPECT_EQ(outcome.output, "0\n1\n2\n");
}

TEST_F(ContainerSecurityTest, TheCallersBinaryIsNotReachable) {
  rootfs().write("bin/self", "#!/proc/self/exe\n", 0755);
  const Outcome outcome = run(rootfs(), spec_of({"/bin/self"}));
  // The interpreter was the exec stub, which has nobody to report to.
  EXPECT_EQ(outcome.status.code, 127);
  EXPECT_EQ(outcome.output, "");
  const Outcome direct = run(rootfs(), spec_of({"/proc/self/exe", "3", "1", "/bin/sh", "sh"}));
  EXPECT_EQ(direct.status.code, 127);
}

TEST_F(ContainerSecurityTest, TheRunningImageIsThePrograms) {
  const Outcome outcome = run(
      rootfs(),
      shell("busybox readlink /proc/1/exe; (echo x > /proc/1/exe) 2>/dev/null || echo refused"));
  EXPECT_EQ(outcome.output, "/bin/busybox\nrefused\n");
}

TEST_F(ContainerSecurityTest, DevicesOfTheHostCannotBeOpened) {
  // The disk of the host, or any block device: mknod is allowed as docker does, use is not.
  const Outcome outcome = run(rootfs(), shell(R"(
    busybox mknod /tmp/kmsg c 1 11 && (cat /tmp/kmsg 2>&1 | busybox head -c 100)
    busybox mknod /tmp/disk b 254 0 && (dd if=/tmp/disk of=/dev/null count=1 2>&1 | busybox head -c 100)
  )"));
  // A cgroup's rules say EPERM; where there are none, a nodev mount says EACCES.
  const bool ruled = has_v1("devices") || runner::read_cgroup_layout().v2;
  const std::string reason = ruled ? "Operation not permitted" : "Permission denied";
  EXPECT_EQ(outcome.output, "cat: can't open '/tmp/kmsg': " + reason +
                                "\ndd: can't open '/tmp/disk': " + reason + "\n");
}

TEST_F(ContainerSecurityTest, AFakeNullDeviceOfTheImageIsNotUsedForMasking) {
  ContainerSpec spec = shell("cat /etc/secret; echo end");
  rootfs().write("etc/secret", "secret\n", 0644);
  rootfs().write("dev/null", "fake\n", 0644);
  // Without a /dev of ours.
  std::erase_if(spec.mounts,
                [](const ContainerMount& each) { return each.target.starts_with("/dev"); });
  spec.masked_paths = {"/etc/secret"};
  EXPECT_EQ(run(rootfs(), std::move(spec)).output, "end\n");
}

TEST_F(ContainerSecurityTest, TheCgroupMountIsReadOnlyAndShowsItselfAlone) {
  const Outcome outcome = run(
      rootfs(),
      shell("cd /sys/fs/cgroup; touch x; for each in *; do busybox mkdir $each/sub && echo made; "
            "done 2>/dev/null; [ ! -e memory ] || cd memory; busybox head -n1 cgroup.procs"));
  EXPECT_EQ(outcome.output, "touch: x: Read-only file system\n1\n");
}

/// Swaps a directory of a shared volume with a symlink to the host, as fast as it can.
class Swapper {
 public:
  Swapper(const std::string& dir, const std::string& link)
      : thread_([this, dir, link] {
          while (!stop_) {
            ::renameat2(AT_FDCWD, dir.c_str(), AT_FDCWD, link.c_str(), RENAME_EXCHANGE);
          }
        }) {}
  Swapper(const Swapper&) = delete;
  Swapper& operator=(const Swapper&) = delete;
  ~Swapper() {
    stop_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

TEST_F(ContainerSecurityTest, TargetsSwappedForSymlinksDuringTheStartStayInside) {
  const TempDir canary;
  const TempDir host;
  write_file_at(host.fd(), "file", "", 0644);
  make_dir_at(rootfs().fd(), "swap", 0755);
  make_symlink_at(canary.path(), rootfs().fd(), "link");
  const Swapper swapper(rootfs().path("swap"), rootfs().path("link"));
  for (int i = 0; i < 60; ++i) {
    ContainerSpec spec = shell("exit 0");
    spec.mounts.push_back(bind_of(host.path(), "/swap/a/b"));
    spec.mounts.push_back(bind_of(host.path(), "/swap/c"));
    spec.process.cwd = "/swap/cwd";
    try {
      run(rootfs(), std::move(spec));
    } catch (const Error& error) {
      EXPECT_NE(error.sys_errno(), 0) << error.what();  // a swap in the midst may fail the start
    }
    ASSERT_TRUE(list_dir(canary.fd()).empty());
  }
}

}  // namespace
}  // namespace layerkit::testing
