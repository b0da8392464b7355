#include <linux/mempolicy.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "process.h"
#include "runtime_fixture.h"

namespace layerkit::testing {
namespace {

/// Of the host, while it lives.
class HostMount {
 public:
  HostMount(const char* source, std::string target, const char* type, unsigned long flags)
      : target_(std::move(target)) {
    if (::mount(source, target_.c_str(), type, flags, nullptr) != 0)
      fail_errno(errno, "mounting for the test");
  }
  HostMount(const HostMount&) = delete;
  HostMount& operator=(const HostMount&) = delete;
  ~HostMount() { ::umount2(target_.c_str(), MNT_DETACH); }

 private:
  std::string target_;
};

class RuntimeMountsTest : public RuntimeTest {
 protected:
  /// A directory of the host with one file in it.
  std::string volume() const {
    make_dirs(path("volume"), 0755);
    write_text(path("volume/file"), "content\n");
    return path("volume");
  }
  static Json in_user_namespace(Json config) {
    config["linux"]["namespaces"].push_back(namespace_json("user"));
    config["linux"]["uidMappings"] = {mapping_json(0, 100000, 65536)};
    config["linux"]["gidMappings"] = {mapping_json(0, 100000, 65536)};
    return config;
  }
  /// Tried with a user namespace that maps root alone.
  bool has_id_mapped_mounts() const {
    int steps[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, steps) != 0) return false;
    char byte = 'x';
    const pid_t owner = fork_to([&] {
      if (::unshare(CLONE_NEWUSER) != 0) return 1;
      (void)!::write(steps[1], &byte, 1);
      ::close(steps[0]);
      return static_cast<int>(::read(steps[1], &byte, 1));
    });
    ::close(steps[1]);
    const bool is_ready = ::read(steps[0], &byte, 1) == 1;
    bool works = false;
    if (is_ready) {
      for (const char* map : {"uid_map", "gid_map"}) {
        write_all(open_at(AT_FDCWD, fmt::format("/proc/{}/{}", owner, map), O_WRONLY).get(),
                  "0 0 1\n", map);
      }
      const Fd user = open_at(AT_FDCWD, fmt::format("/proc/{}/ns/user", owner), O_RDONLY);
      const Fd tree(static_cast<int>(::syscall(SYS_open_tree, AT_FDCWD, path("").c_str(),
                                               OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)));
      mount_attr attributes{};
      attributes.attr_set = MOUNT_ATTR_IDMAP;
      attributes.userns_fd = static_cast<__u64>(user.get());
      works = ::syscall(SYS_mount_setattr, tree.get(), "", AT_EMPTY_PATH, &attributes,
                        sizeof(attributes)) == 0;
    }
    ::close(steps[0]);
    exit_code_of(owner);
    return works;
  }
  std::string rootfs_directory() const {
    return const_cast<RuntimeMountsTest*>(this)->rootfs().path();
  }
};

TEST_F(RuntimeMountsTest, ABindShowsTheHostsDirectory) {
  Json config = script("cat /home/file; echo more > /home/new");
  config["mounts"].push_back(mount_json("/home", "bind", volume(), {"bind"}));
  EXPECT_EQ(run(config).output, "content\n");
  EXPECT_EQ(read_text(path("volume/new")), "more\n");
}

TEST_F(RuntimeMountsTest, ARelativeSourceLiesInTheBundle) {
  Json config = script("cat /home/file");
  config["mounts"].push_back(mount_json("/home", "none", "data", {"rbind"}));
  CreateRequest request = request_of(config);
  make_dirs(request.bundle + "/data", 0755);
  write_text(request.bundle + "/data/file", "of the bundle\n");
  EXPECT_EQ(run(std::move(request)).output, "of the bundle\n");
}

TEST_F(RuntimeMountsTest, AReadOnlyBindIsReadOnlyInTheContainerAlone) {
  Json config = script("(echo x > /home/new) 2>&1");
  config["mounts"].push_back(mount_json("/home", "bind", volume(), {"bind", "ro"}));
  EXPECT_EQ(run(config).output, "sh: can't create /home/new: Read-only file system\n");
  write_text(path("volume/new"), "the host writes");
}

TEST_F(RuntimeMountsTest, AnIdMappedBindShowsOwnersAsTheContainersMappingHasThem) {
  if (!has_id_mapped_mounts())
    GTEST_SKIP() << "needs a file system with id-mapped mounts in " << path("");
  const std::string source = volume();
  for (const char* option : {"idmap", "ridmap"}) {
    Json config = in_user_namespace(script("stat -c %u:%g /home/file; touch /home/made"));
    config["mounts"].push_back(mount_json("/home", "bind", source, {"rbind", option}));
    EXPECT_EQ(run(config).output, "0:0\n") << option;
    struct stat stat {};
    ASSERT_EQ(::stat((source + "/made").c_str(), &stat), 0);
    EXPECT_EQ(stat.st_uid, 0U);
    unlink_at(AT_FDCWD, source + "/made");
  }
}

TEST_F(RuntimeMountsTest, AnIdMappedBindMayHaveMappingsOfItsOwn) {
  if (!has_id_mapped_mounts())
    GTEST_SKIP() << "needs a file system with id-mapped mounts in " << path("");
  const std::string source = volume();
  ASSERT_EQ(::chown((source + "/file").c_str(), 1234, 1235), 0);
  Json config = script("stat -c %u:%g /home/file");
  Json mount = mount_json("/home", "bind", source, {"bind"});
  mount["uidMappings"] = {mapping_json(1234, 77, 1)};
  mount["gidMappings"] = {mapping_json(1235, 78, 1)};
  config["mounts"].push_back(mount);
  EXPECT_EQ(run(config).output, "77:78\n");
}

TEST_F(RuntimeMountsTest, AnIdMappedBindHasTheMappingsOfAUserNamespaceThatIsJoined) {
  if (!has_id_mapped_mounts())
    GTEST_SKIP() << "needs a file system with id-mapped mounts in " << path("");
  const Fd user = runner::make_user_namespace({{0, 100000, 65536}}, {{0, 100000, 65536}});
  Json config = script("stat -c %u:%g /home/file");
  replace_namespace(config, "user", fmt::format("/proc/{}/fd/{}", ::getpid(), user.get()));
  config["mounts"].push_back(mount_json("/home", "bind", volume(), {"bind", "idmap"}));
  EXPECT_EQ(run(config).output, "0:0\n");
}

TEST_F(RuntimeMountsTest, WithoutMappingOwnersAreNobody) {
  Json config = in_user_namespace(script("stat -c %u:%g /home/file"));
  config["mounts"].push_back(mount_json("/home", "bind", volume(), {"bind"}));
  EXPECT_EQ(run(config).output, "65534:65534\n");
}

TEST_F(RuntimeMountsTest, AUsualDeviceMayBeABind) {
  for (const bool is_mapped : {false, true}) {
    Json config = script("stat -c %t:%T /dev/zero /dev/null; echo x > /dev/null && echo written");
    if (is_mapped) config = in_user_namespace(config);
    config["mounts"].push_back(mount_json("/dev/zero", "bind", "/dev/null", {"bind"}));
    EXPECT_EQ(run(config).output, "1:3\n1:3\nwritten\n");
  }
}

TEST_F(RuntimeMountsTest, ATmpfsMayCopyUpWhatIsThere) {
  rootfs().write("etc/conf", "of the image\n", 0640);
  ASSERT_EQ(::chown(rootfs().path("etc/conf").c_str(), 12, 13), 0);
  make_dir_at(rootfs().fd(), "etc/dir", 0700);
  rootfs().write("etc/dir/deep", "deep\n", 0600);
  make_symlink_at("conf", rootfs().fd(), "etc/link");
  set_xattr_at(rootfs().fd(), "etc/conf", "trusted.test", "kept");
  Json config = script(
      "cat /etc/link /etc/dir/deep; stat -c '%a %u:%g' /etc/conf /etc/dir; echo x > /etc/conf");
  config["mounts"].push_back(mount_json("/etc", "tmpfs", "tmpfs", {"tmpcopyup"}));
  EXPECT_EQ(run(config).output, "of the image\ndeep\n640 12:13\n700 0:0\n");
  EXPECT_EQ(read_text(rootfs().path("etc/conf")), "of the image\n");
}

TEST_F(RuntimeMountsTest, ATmpfsWithoutAModeTakesThatOfItsPlace) {
  ::chmod(rootfs().path("home").c_str(), 01750);
  Json config =
      script("stat -c %a /home /tmp; busybox grep -c '^tmpfs /home .*mode=1750' /proc/mounts");
  config["mounts"].push_back(mount_json("/home", "tmpfs", "tmpfs"));
  config["mounts"].push_back(mount_json("/tmp", "tmpfs", "tmpfs", {"mode=1711"}));
  EXPECT_EQ(run(config).output, "1750\n1711\n1\n");
}

TEST_F(RuntimeMountsTest, ATmpfsWithoutAModeOrAPlaceIsForEverybody) {
  Json config = script("stat -c %a /new/place /new/other");
  config["mounts"].push_back(mount_json("/new/place", "tmpfs", "tmpfs"));
  config["mounts"].push_back(mount_json("/new/other", "tmpfs", "tmpfs", {"mode=711"}));
  EXPECT_EQ(run(config).output, "1777\n711\n");
}

TEST_F(RuntimeMountsTest, AMountOnTheRootReplacesIt) {
  Json config = script("ls /; cat /proc/mounts | busybox head -n 1 | busybox cut -d ' ' -f 2");
  Json mounts = Json::array();
  mounts.push_back(mount_json("/", "bind", rootfs_directory(), {"bind"}));
  for (const Json& each : config["mounts"])
    mounts.push_back(each);
  config["mounts"] = mounts;
  make_dirs(path("empty"), 0755);
  config["root"]["path"] = path("empty");
  EXPECT_EQ(run(config).output, "bin\ndev\netc\nhome\nproc\nsys\ntmp\n/\n");
  EXPECT_TRUE(std::filesystem::is_empty(path("empty")));
}

TEST_F(RuntimeMountsTest, ASymlinkMayBeCopied) {
  make_symlink_at("/etc/passwd", AT_FDCWD, path("link"));
  Json config = script("busybox readlink /home/link");
  config["mounts"].push_back(
      mount_json("/home/link", "bind", path("link"), {"bind", "copy-symlink"}));
  EXPECT_EQ(run(config).output, "/etc/passwd\n");
}

TEST_F(RuntimeMountsTest, ATargetThatIsASymlinkMayBeCovered) {
  write_text(path("source"), "covers\n");
  rootfs().write("etc/real", "real\n", 0644);
  rootfs().replace_by_link("home", "etc/real");
  Json config = script("cat /etc/real; cat /home");
  config["mounts"].push_back(
      mount_json("/home", "bind", path("source"), {"bind", "dest-nofollow"}));
  EXPECT_EQ(run(config).output, "real\ncovers\n");
  config["mounts"].back()["options"] = std::vector<std::string>{"bind"};
  EXPECT_EQ(run(config).output, "covers\ncovers\n");
}

TEST_F(RuntimeMountsTest, ASourceThatDoesNotExistIsNamed) {
  Json config = idle();
  config["mounts"].push_back(mount_json("/home", "bind", "/no/such/source", {"bind"}));
  EXPECT_EQ(refusal_of(config),
            "mounting '/no/such/source' on '/home': opening the source: "
            "No such file or directory");
}

TEST_F(RuntimeMountsTest, AReadOnlyRootfsKeepsItsVolumesWritable) {
  Json config = script("(echo x > /etc/new) 2>&1; echo x > /home/new; cat /home/new");
  config["root"]["readonly"] = true;
  config["mounts"].push_back(mount_json("/home", "bind", volume(), {"bind"}));
  EXPECT_EQ(run(config).output, "sh: can't create /etc/new: Read-only file system\nx\n");
}

TEST_F(RuntimeMountsTest, TheRootMayTakeWhatTheHostMountsLater) {
  const std::string root = rootfs().path();
  const HostMount bind(root.c_str(), root, nullptr, MS_BIND);
  ASSERT_EQ(::mount(nullptr, root.c_str(), nullptr, MS_SHARED, nullptr), 0);
  for (const bool takes : {true, false}) {
    Json config = idle();
    config["linux"]["rootfsPropagation"] = takes ? "slave" : "private";
    const auto process = start(config);
    {
      const HostMount later("tmpfs", rootfs().path("home"), "tmpfs", 0);
      EXPECT_EQ(exec("busybox grep -c ' /home ' /proc/self/mountinfo").output,
                takes ? "1\n" : "0\n");
    }
    runtime().remove(id(), true, context());
    process->wait();
  }
}

TEST_F(RuntimeMountsTest, ASharedBindStaysSharedInAPrivateRoot) {
  const std::string source = volume();
  const HostMount bind(source.c_str(), source, nullptr, MS_BIND);
  ASSERT_EQ(::mount(nullptr, source.c_str(), nullptr, MS_SHARED, nullptr), 0);
  Json config = script("busybox grep ' /home ' /proc/self/mountinfo | busybox grep -o shared:");
  config["linux"]["rootfsPropagation"] = "rprivate";
  config["mounts"].push_back(mount_json("/home", "bind", source, {"bind", "rshared"}));
  EXPECT_EQ(run(config).output, "shared:\n");
}

TEST_F(RuntimeMountsTest, TheMemoryPolicyIsThatOfTheProcess) {
  int mode = 0;
  if (::syscall(SYS_get_mempolicy, &mode, nullptr, 0, nullptr, 0) != 0)
    GTEST_SKIP() << "needs a kernel with memory policies";
  Json config = script(
      "busybox grep -c bind:0 /proc/self/numa_maps > /tmp/count; "
      "[ $(cat /tmp/count) -gt 0 ] && echo bound");
  config["linux"]["memoryPolicy"] = {{"mode", "MPOL_BIND"}, {"nodes", "0"}};
  if (!std::filesystem::exists("/proc/self/numa_maps"))
    GTEST_SKIP() << "needs /proc/self/numa_maps";
  EXPECT_EQ(run(config).output, "bound\n");
  config["linux"]["memoryPolicy"]["mode"] = "MPOL_NONE_SUCH";
  EXPECT_NE(refusal_of(config).find("MPOL_NONE_SUCH"), std::string::npos);
}

}  // namespace
}  // namespace layerkit::testing
