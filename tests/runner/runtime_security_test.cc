#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <fstream>
#include <iterator>

#include "exec_stub_image.h"
#include "runtime/runtime_parts.h"
#include "runtime_fixture.h"

// One test for each way that was once found out of a container, or into the one who made it.

namespace layerkit::testing {
namespace {

class RuntimeSecurityTest : public RuntimeTest {
 protected:
  /// A directory of the host that nobody may write to.
  const std::string& canary() {
    make_dirs(canary_, 0755);
    return canary_;
  }
  void expect_untouched_canary() { EXPECT_TRUE(std::filesystem::is_empty(canary_)); }
  void SetUp() override {
    RuntimeTest::SetUp();
    if (!IsSkipped()) canary_ = path("canary");
  }
  /// Without the mount on that place.
  static void drop_mount(Json& config, const std::string& target) {
    Json kept = Json::array();
    for (const Json& each : config["mounts"]) {
      if (each["destination"] != target) kept.push_back(each);
    }
    config["mounts"] = kept;
  }
  static Json privileged(Json config) {
    for (const char* set : {"bounding", "effective", "permitted"})
      config["process"]["capabilities"][set] = bounding_capabilities();
    return config;
  }

 private:
  std::string canary_;
};

/// A directory of ours that is inherited by whatever does not close it, as 3 to 20.
class LeakedDescriptors {
 public:
  LeakedDescriptors() {
    const Fd root = open_dir_at(AT_FDCWD, "/");
    for (int number = 3; number <= 20; ++number) {
      if (::fcntl(number, F_GETFD) >= 0) continue;
      ::dup2(root.get(), number);  // not close-on-exec
      numbers_.push_back(number);
    }
  }
  LeakedDescriptors(const LeakedDescriptors&) = delete;
  LeakedDescriptors& operator=(const LeakedDescriptors&) = delete;
  ~LeakedDescriptors() {
    for (const int number : numbers_)
      ::close(number);
  }

 private:
  std::vector<int> numbers_;
};

std::string own_binary() {
  std::ifstream file("/proc/self/exe", std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// CVE-2019-5736.
TEST_F(RuntimeSecurityTest, TheRuntimesProgramIsOutOfReach) {
  const std::string before = own_binary();
  rootfs().write("bin/self", "#!/proc/self/exe\n", 0755);
  for (const char* entry : {"/proc/self/exe", "/bin/self"}) {
    Json config = privileged(idle());
    config["process"]["args"] = std::vector<std::string>{entry};
    EXPECT_NE(run(config).status.code, 0) << entry;
  }
  start(privileged(idle()));
  for (const char* entry : {"/proc/self/exe", "/bin/self"}) {
    try {
      EXPECT_NE(exec(exec_request({entry})).status.code, 0);
    } catch (const Error&) {  // NOLINT(bugprone-empty-catch): refusing is as good
    }
  }
  EXPECT_TRUE(own_binary() == before);
}

/// What is executed inside first cannot be changed by who holds a descriptor of it.
TEST_F(RuntimeSecurityTest, TheProgramThatExecutesIsSealed) {
  const Fd stub = runner::open_exec_stub();
  constexpr int kSeals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
  EXPECT_EQ(::fcntl(stub.get(), F_GET_SEALS) & kSeals, kSeals);
  EXPECT_EQ(::pwrite(stub.get(), "x", 1, 0), -1);
  EXPECT_EQ(errno, EPERM);
}

/// The same, while the process waits to be started: another one may look at it.
TEST_F(RuntimeSecurityTest, WhatWaitsToBeStartedIsNoFileOfTheHost) {
  const auto process = create(privileged(script("echo started")));
  const Outcome outcome =
      exec("(echo x > /proc/1/exe) 2>/dev/null || echo refused; busybox readlink /proc/1/exe");
  EXPECT_TRUE(outcome.output.starts_with("refused\n/memfd:")) << outcome.output;
  runtime().start(id(), context());
  process->wait();
  EXPECT_EQ(output(), "started\n");
}

/// CVE-2024-21626.
TEST_F(RuntimeSecurityTest, AWorkingDirectoryThroughADescriptorIsRefused) {
  const LeakedDescriptors leak;
  for (int number = 0; number <= 20; ++number) {
    Json config = script("pwd; ls");
    config["process"]["cwd"] = fmt::format("/proc/self/fd/{}", number);
    EXPECT_TRUE(refusal_of(config).starts_with("entering working directory '/proc/self/fd/"));
  }
  start(privileged(idle()));
  for (int number = 0; number <= 20; ++number) {
    ExecRequest request = exec_script("pwd; ls");
    request.process.cwd = fmt::format("/proc/self/fd/{}", number);
    EXPECT_TRUE(exec_refusal_of(std::move(request))
                    .starts_with("entering working directory '/proc/self/fd/"));
  }
  rootfs().replace_by_link("home", "/proc/self/fd/10");
  ExecRequest request = exec_script("pwd; ls");
  request.process.cwd = "/home";
  EXPECT_TRUE(
      exec_refusal_of(std::move(request)).starts_with("entering working directory '/home'"));
}

TEST_F(RuntimeSecurityTest, NoDescriptorOfTheRuntimeReachesAProcess) {
  const LeakedDescriptors leak;
  start(privileged(script("exec > /tmp/fds; ls /proc/1/fd; exec sleep 1000000")));
  EXPECT_EQ(exec("ls /proc/$$/fd; exit 0").output, "0\n1\n2\n");
  EXPECT_EQ(exec("while ! [ -s /tmp/fds ]; do :; done; cat /tmp/fds").output, "0\n1\n2\n");
  EXPECT_EQ(exec("ls /proc/1/fd").output, "0\n1\n2\n");
}

/// What waits to be started has what it waits with, and no directory that leads to the host.
TEST_F(RuntimeSecurityTest, WhatWaitsToBeStartedHoldsNoDirectoryOfTheHost) {
  const LeakedDescriptors leak;
  create(privileged(idle()));
  const Outcome outcome = exec(
      "for each in /proc/1/fd/*; do [ -d $each ] && echo $each; done; "
      "ls -d /proc/1/cwd/bin /proc/1/root/bin; ls -ld /proc/1/cwd");
  EXPECT_EQ(outcome.output.find("/proc/1/fd/"), std::string::npos) << outcome.output;
  EXPECT_TRUE(outcome.output.find("/proc/1/cwd -> /\n") != std::string::npos ||
              outcome.output.find("denied") != std::string::npos)
      << outcome.output;
}

/// CVE-2019-18837 and all that came after it: symlinks of the root file system, absolute, upwards
/// and dangling.
TEST_F(RuntimeSecurityTest, TargetsBehindSymlinksStayInside) {
  write_text(path("file"), "content\n");
  for (const std::string& to :
       {canary(), "../../../../../../../.." + canary(), canary() + "/deep"}) {
    rootfs().replace_by_link("home", to);
    Json config = script("cat /home/file; ls -d /home/dir /home/tmpfs /home/upper; pwd");
    config["process"]["cwd"] = "/home/work";
    config["mounts"].push_back(mount_json("/home/file", "bind", path("file"), {"bind"}));
    config["mounts"].push_back(mount_json("/home/dir", "bind", path("states"), {"bind"}));
    config["mounts"].push_back(mount_json("/home/tmpfs", "tmpfs", "tmpfs"));
    config["mounts"].push_back(mount_json("/home/upper", "tmpfs", "tmpfs", {"tmpcopyup"}));
    config["linux"]["devices"] = {
        {{"path", "/home/node"}, {"type", "c"}, {"major", 1}, {"minor", 3}}};
    config["linux"]["maskedPaths"] = std::vector<std::string>{"/home/dir"};
    config["linux"]["readonlyPaths"] = std::vector<std::string>{"/home/tmpfs"};
    const std::string said = run(config).output;
    EXPECT_TRUE(said.starts_with("content\n/home/dir\n/home/tmpfs\n/home/upper\n")) << said;
    expect_untouched_canary();
    remove_tree_at(rootfs().fd(), canary().substr(1, canary().find('/', 1) - 1));
    make_dir_at(rootfs().fd(), "tmp", 0755);
  }
}

/// CVE-2019-16884, CVE-2019-19921, CVE-2023-27561, CVE-2023-28642, CVE-2025-52881.
TEST_F(RuntimeSecurityTest, ALinkedOrReplacedProcGetsNoWrites) {
  for (const char* place : {"proc", "sys"}) {
    rootfs().replace_by_link(place, canary());
    EXPECT_NE(refusal_of(idle()).find(fmt::format("on '/{}'", place)), std::string::npos);
    expect_untouched_canary();
    remove_tree_at(rootfs().fd(), place);
    make_dir_at(rootfs().fd(), place, 0755);
  }
}

TEST_F(RuntimeSecurityTest, ALinkOfProcIsNotCovered) {
  write_text(path("source"), "covers\n");
  Json config = idle();
  config["mounts"].push_back(
      mount_json("/proc/self/exe", "bind", path("source"), {"bind", "dest-nofollow"}));
  EXPECT_EQ(refusal_of(config), "mounting '" + path("source") +
                                    "' on '/proc/self/exe': the target is a symlink of a proc "
                                    "file system");
}

TEST_F(RuntimeSecurityTest, SysctlsReachTheKernelThoughProcIsSomethingElse) {
  make_dirs(path("fake/sys/net/ipv4"), 0755);
  write_text(path("canary-file"), "untouched");
  make_symlink_at(path("canary-file"), AT_FDCWD, path("fake/sys/net/ipv4/ip_forward"));
  Json config =
      privileged(script("busybox mkdir /tmp/p; busybox mount -t proc proc /tmp/p; cat "
                        "/tmp/p/sys/net/ipv4/ip_forward; "
                        "busybox umount /tmp/p"));
  drop_mount(config, "/proc");
  config["mounts"].push_back(mount_json("/proc", "bind", path("fake"), {"bind"}));
  config["linux"]["sysctl"]["net.ipv4.ip_forward"] = "1";
  config["linux"].erase("maskedPaths");
  config["linux"].erase("readonlyPaths");
  EXPECT_EQ(run(config).output, "1\n");
  EXPECT_EQ(read_text(path("canary-file")), "untouched");
}

TEST_F(RuntimeSecurityTest, ASysctlOfTheHostIsRefused) {
  for (const char* name : {"kernel.panic", "vm.swappiness", "net/../kernel/panic", "kernel.../x"}) {
    Json config = idle();
    config["linux"]["sysctl"][name] = "1";
    EXPECT_FALSE(refusal_of(config).empty()) << name;
  }
  Json config = idle();
  drop_namespace(config, "network");
  config["linux"]["sysctl"]["net.ipv4.ip_forward"] = "1";
  EXPECT_FALSE(refusal_of(config).empty());
}

/// CVE-2025-31133: what a masked file becomes is the host's null device, not what lies at that path
/// in the root file system.
TEST_F(RuntimeSecurityTest, AMaskedFileIsTheHostsNullDevice) {
  rootfs().write("etc/secret", "secret\n", 0644);
  rootfs().write("etc/masked", "masked\n", 0644);
  make_symlink_at("/etc/secret", rootfs().fd(), "dev/null");
  Json config = script("cat /etc/masked; stat -c %t:%T /etc/masked");
  drop_mount(config, "/dev");
  drop_mount(config, "/dev/pts");
  config["linux"]["maskedPaths"] = std::vector<std::string>{"/etc/masked"};
  EXPECT_EQ(run(config).output, "1:3\n");
}

/// The host's, but not what somebody has put there.
TEST_F(RuntimeSecurityTest, WhatIsNoNullDeviceMasksNothing) {
  write_text(path("fake"), "fake\n");
  const pid_t other_mounts = fork_to([&] {
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount(path("fake").c_str(), "/dev/null", nullptr, MS_BIND, nullptr) != 0)
      return errno;
    expect_error(Errc::Invalid, "not the character device 1:3", [&] { start(idle()); });
    return HasFailure() ? 1 : 0;
  });
  EXPECT_EQ(exit_code_of(other_mounts), 0);
}

TEST_F(RuntimeSecurityTest, AMaskedDirectoryIsEmptyAndHasNoRoom) {
  rootfs().write("home/file", "secret\n", 0644);
  Json config = script("ls /home; (echo x > /home/x) 2>&1");
  config["linux"]["maskedPaths"] = std::vector<std::string>{"/home"};
  EXPECT_EQ(run(config).output, "sh: can't create /home/x: Read-only file system\n");
}

TEST_F(RuntimeSecurityTest, APathThatIsMaskedTwiceIsOneMount) {
  Json config = script("busybox grep -c ' /home ' /proc/self/mountinfo");
  config["linux"]["maskedPaths"] = std::vector<std::string>{"/home", "/home"};
  EXPECT_EQ(run(config).output, "1\n");
}

/// Were the host's own /proc left in the container's mount namespace, though out of reach, then a
/// new user namespace could mount one with nothing masked.
TEST_F(RuntimeSecurityTest, WithoutPivotRootNobodyCanMountABareProc) {
  Json config = script(
      "busybox unshare -Urmpf sh -c 'busybox mount -t proc none /proc' 2>&1; "
      "busybox unshare -Urmn sh -c 'busybox mount -t sysfs none /sys' 2>&1; echo end");
  config["process"]["capabilities"]["bounding"].push_back("CAP_SETFCAP");
  config["process"]["capabilities"]["permitted"].push_back("CAP_SETFCAP");
  Json in_user_namespace = config;
  in_user_namespace["linux"]["namespaces"].push_back(namespace_json("user"));
  in_user_namespace["linux"]["uidMappings"] = {mapping_json(0, 100000, 65536)};
  in_user_namespace["linux"]["gidMappings"] = {mapping_json(0, 100000, 65536)};
  for (const bool pivots : {true, false}) {
    for (const Json& each : {config, in_user_namespace}) {
      CreateRequest request = request_of(each);
      request.pivots = pivots;
      EXPECT_EQ(run(std::move(request)).output,
                "mount: permission denied (are you root?)\n"
                "mount: permission denied (are you root?)\nend\n")
          << pivots;
    }
  }
}

/// CVE-2026-41579 (runc), CVE-2026-47766 (crun).
TEST_F(RuntimeSecurityTest, ADevThatIsASymlinkPopulatesNothingOutside) {
  rootfs().replace_by_link("dev", canary());
  Json config = idle();
  drop_mount(config, "/dev");
  drop_mount(config, "/dev/pts");
  EXPECT_NE(refusal_of(config).find("'/dev' of the root file system is a symlink"),
            std::string::npos);
  expect_untouched_canary();
  config["linux"]["devices"] = {
      {{"path", "/dev/fuse"}, {"type", "c"}, {"major", 10}, {"minor", 229}}};
  EXPECT_FALSE(refusal_of(config).empty());
  expect_untouched_canary();
}

TEST_F(RuntimeSecurityTest, AnotherFileIsNotTakenForTheDevice) {
  Json config = idle();
  config["linux"]["devices"] = {
      {{"path", "/home/node"}, {"type", "c"}, {"major", 1}, {"minor", 3}}};
  rootfs().write("home/node", "", 0666);
  EXPECT_NE(refusal_of(config).find("File exists"), std::string::npos);
  unlink_at(rootfs().fd(), "home/node");
  ASSERT_EQ(::mknod(rootfs().path("home/node").c_str(), S_IFCHR | 0666, ::makedev(1, 5)), 0);
  EXPECT_NE(refusal_of(config).find("File exists"), std::string::npos);
}

/// CVE-2022-29162, CVE-2022-27650.
TEST_F(RuntimeSecurityTest, NoCapabilityIsInheritable) {
  const std::string status = run(privileged(script("cat /proc/self/status"))).output;
  EXPECT_NE(status.find("CapInh:\t0000000000000000\n"), std::string::npos) << status;
  EXPECT_NE(status.find("CapAmb:\t0000000000000000\n"), std::string::npos) << status;
}

/// Asked of the function alone: a container that got such a cgroup would be removed with all the
/// processes of the machine.
TEST_F(RuntimeSecurityTest, ACgroupPathUpwardsIsRefused) {
  for (const char* outside : {"..", "../x", "a/../../x", "/..", "/"})
    expect_error(Errc::Invalid, "cgroup", [&] { runner::cgroup_path_of(outside, "id"); });
}

/// runc hangs for it: its process would be frozen before it has done anything.
TEST_F(RuntimeSecurityTest, AFrozenCgroupThatIsThereIsRefused) {
  const auto v1 = v1_hierarchy("freezer");
  const auto freezer = v1 ? v1 : runner::read_cgroup_layout().v2;
  if (!freezer) GTEST_SKIP() << "needs a cgroup hierarchy that freezes";
  const std::string parent = freezer->mount_point + "/" + test_cgroup_parent();
  const std::string cgroup = parent + "/" + id();
  make_dirs(cgroup, 0755);
  const std::string file = cgroup + (v1 ? "/freezer.state" : "/cgroup.freeze");
  write_all(open_at(AT_FDCWD, file, O_WRONLY).get(), v1 ? "FROZEN" : "1", "freezer");
  expect_error(Errc::Busy, "frozen", [&] { start(idle()); });
  ::rmdir(cgroup.c_str());
  ::rmdir(parent.c_str());
}

/// CVE-2023-25809: root of the user namespace owns the cgroups, and sees those of the host.
TEST_F(RuntimeSecurityTest, TheHostsCgroupsAreReadOnlyWithoutACgroupNamespace) {
  Json config = script(
      "for each in /sys/fs/cgroup/*/; do busybox mkdir $each/escape && echo $each; "
      "done 2>/dev/null; busybox mkdir /sys/fs/cgroup/escape 2>/dev/null && echo made; echo end");
  drop_namespace(config, "cgroup");
  drop_mount(config, "/sys/fs/cgroup");
  config["mounts"].push_back(mount_json("/sys/fs/cgroup", "cgroup", "cgroup", {"ro"}));
  config["linux"]["namespaces"].push_back(namespace_json("user"));
  config["linux"]["uidMappings"] = {mapping_json(0, 0, 1)};
  config["linux"]["gidMappings"] = {mapping_json(0, 0, 1)};
  EXPECT_EQ(run(config).output, "end\n");
}

/// CVE-2026-30892 is one of reading words; here a user is a number, and -1 is none.
TEST_F(RuntimeSecurityTest, AUserIsInRange) {
  for (const Json& bad : {Json(-1), Json(4294967295U), Json("0"), Json(1.5)}) {
    Json config = idle();
    config["process"]["user"]["uid"] = bad;
    EXPECT_FALSE(refusal_of(config).empty()) << bad;
  }
}

}  // namespace
}  // namespace layerkit::testing
