#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>

#include "runtime_fixture.h"

namespace layerkit::testing {
namespace {

/// A process that has namespaces of its own and waits to be killed.
class NamespaceHolder {
 public:
  explicit NamespaceHolder(
      int flags, const std::function<int()>& prepare = [] { return 0; }) {
    int ready[2];
    if (::pipe2(ready, O_CLOEXEC) != 0) fail_errno(errno, "creating a pipe");
    pid_ = fork_to([&] {
      if (::unshare(flags) != 0) return 1;
      // The namespace of pids and that of time are for its children.
      const pid_t child = ::fork();
      if (child == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (prepare() != 0) ::_exit(1);
        ::dprintf(ready[1], "x");
        ::pause();
      }
      return exit_code_of(child);
    });
    ::close(ready[1]);
    char byte = 0;
    const bool is_ready = ::read(ready[0], &byte, 1) == 1;
    ::close(ready[0]);
    if (!is_ready) fail(Errc::Io, "making namespaces for the test");
    std::string children = read_text(fmt::format("/proc/{0}/task/{0}/children", pid_));
    child_ = std::stoi(children);
  }
  NamespaceHolder(const NamespaceHolder&) = delete;
  NamespaceHolder& operator=(const NamespaceHolder&) = delete;
  ~NamespaceHolder() {
    ::kill(child_, SIGKILL);
    exit_code_of(pid_);
  }
  std::string path(const std::string& kind) const {
    return fmt::format("/proc/{}/ns/{}", child_, kind);
  }
  std::string name(const std::string& kind) const {
    return std::filesystem::read_symlink(path(kind)).string();
  }
  pid_t pid() const { return child_; }

 private:
  pid_t pid_ = -1;
  pid_t child_ = -1;
};

struct Kind {
  const char* type;  ///< in config.json
  const char* name;  ///< in /proc/PID/ns
  int flag;
};

constexpr Kind kKinds[] = {{"pid", "pid", CLONE_NEWPID},   {"network", "net", CLONE_NEWNET},
                           {"ipc", "ipc", CLONE_NEWIPC},   {"uts", "uts", CLONE_NEWUTS},
                           {"mount", "mnt", CLONE_NEWNS},  {"cgroup", "cgroup", CLONE_NEWCGROUP},
                           {"time", "time", CLONE_NEWTIME}};

void PrintTo(const Kind& kind, std::ostream* out) {
  *out << kind.type;
}

Fd detached_tmpfs() {
  const Fd context(::fsopen("tmpfs", FSOPEN_CLOEXEC));
  EXPECT_EQ(::fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0), 0);
  return Fd(::fsmount(context.get(), FSMOUNT_CLOEXEC, 0));
}

/// Linux 6.15 mounts in trees that are in no mount namespace.
bool can_mount_in_detached_trees() {
  const Fd outer = detached_tmpfs();
  const Fd inner = detached_tmpfs();
  EXPECT_EQ(::mkdirat(outer.get(), "d", 0755), 0);
  return ::move_mount(inner.get(), "", outer.get(), "d", MOVE_MOUNT_F_EMPTY_PATH) == 0;
}

class RuntimeNamespacesTest : public RuntimeTest {};
class RuntimeNamespaceByPathTest : public RuntimeTest,
                                   public ::testing::WithParamInterface<Kind> {};

TEST_P(RuntimeNamespaceByPathTest, ItIsJoined) {
  const Kind kind = GetParam();
  const NamespaceHolder holder(kind.flag);
  Json config = script(fmt::format("busybox readlink /proc/self/ns/{}", kind.name));
  replace_namespace(config, kind.type, holder.path(kind.name));
  if (kind.flag == CLONE_NEWUTS) config.erase("hostname");
  if (kind.flag == CLONE_NEWNS && !can_mount_in_detached_trees()) {
    EXPECT_EQ(refusal_of(config),
              "mounting 'proc' on '/proc': without a mount namespace of the container's own this "
              "needs Linux 6.15");
    return;
  }
  EXPECT_EQ(run(config).output, holder.name(kind.name) + "\n");
}

TEST_P(RuntimeNamespaceByPathTest, OneOfAnotherKindIsRefused) {
  const Kind kind = GetParam();
  const std::string other = kind.flag == CLONE_NEWUTS ? "/proc/self/ns/ipc" : "/proc/self/ns/uts";
  Json config = idle();
  replace_namespace(config, kind.type, other);
  if (kind.flag == CLONE_NEWUTS) config.erase("hostname");
  EXPECT_EQ(
      refusal_of(config),
      fmt::format("joining the {0} namespace '{1}': it is no {0} namespace", kind.name, other));
}

TEST_P(RuntimeNamespaceByPathTest, WhatDoesNotExistIsNamed) {
  const Kind kind = GetParam();
  Json config = idle();
  replace_namespace(config, kind.type, "/no/such/namespace");
  if (kind.flag == CLONE_NEWUTS) config.erase("hostname");
  const std::string message = refusal_of(config);
  EXPECT_TRUE(message.starts_with(
      fmt::format("joining the {} namespace '/no/such/namespace': ", kind.name)))
      << message;
  EXPECT_TRUE(message.ends_with("No such file or directory")) << message;
}

INSTANTIATE_TEST_SUITE_P(AllKinds,
                         RuntimeNamespaceByPathTest,
                         ::testing::ValuesIn(kKinds),
                         [](const auto& each) { return std::string(each.param.type); });

TEST_F(RuntimeNamespacesTest, AFileThatIsNoNamespaceIsRefused) {
  write_text(path("file"), "");
  for (const char* type : {"network", "pid"}) {
    Json config = idle();
    replace_namespace(config, type, path("file"));
    EXPECT_NE(refusal_of(config).find("it is no "), std::string::npos);
  }
}

TEST_F(RuntimeNamespacesTest, AFifoInsteadOfANamespaceIsNotWaitedFor) {
  ASSERT_EQ(::mkfifo(path("fifo").c_str(), 0600), 0);
  Json config = idle();
  replace_namespace(config, "ipc", path("fifo"));
  EXPECT_NE(refusal_of(config).find("it is no "), std::string::npos);
}

TEST_F(RuntimeNamespacesTest, AUserNamespaceIsJoinedByPath) {
  const NamespaceHolder holder(CLONE_NEWUSER, [] { return 0; });
  const auto map = [&](const char* file) {
    write_all(open_at(AT_FDCWD, fmt::format("/proc/{}/{}", holder.pid(), file), O_WRONLY).get(),
              "0 100000 65536\n", file);
  };
  map("uid_map");
  map("gid_map");
  Json config = script("id -u; busybox readlink /proc/self/ns/user; cat /proc/self/uid_map");
  replace_namespace(config, "user", holder.path("user"));
  EXPECT_EQ(run(config).output,
            "0\n" + holder.name("user") + "\n         0     100000      65536\n");
}

TEST_F(RuntimeNamespacesTest, OfOneThatIsNotListedTheCallersIsKept) {
  Json config = script("busybox readlink /proc/self/ns/net; busybox readlink /proc/self/ns/ipc");
  // A sysfs belongs to the network namespace of its user namespace: that of the host is fine, too.
  drop_namespace(config, "network");
  drop_namespace(config, "ipc");
  EXPECT_EQ(run(config).output, std::filesystem::read_symlink("/proc/self/ns/net").string() + "\n" +
                                    std::filesystem::read_symlink("/proc/self/ns/ipc").string() +
                                    "\n");
}

TEST_F(RuntimeNamespacesTest, AUserNamespaceMayHaveSeveralMappings) {
  Json config = script(
      "cat /proc/self/uid_map; cat /proc/self/gid_map; touch /tmp/file; "
      "busybox chown 1000:20 /tmp/file; stat -c %u:%g /tmp/file");
  config["linux"]["namespaces"].push_back(namespace_json("user"));
  config["linux"]["uidMappings"] = {mapping_json(0, 100000, 1000), mapping_json(1000, 200000, 10)};
  config["linux"]["gidMappings"] = {mapping_json(0, 300000, 10), mapping_json(10, 400000, 20)};
  ::chmod(rootfs().path("tmp").c_str(), 01777);
  const Outcome outcome = run(config);
  EXPECT_EQ(outcome.output,
            "         0     100000       1000\n      1000     200000         10\n"
            "         0     300000         10\n        10     400000         20\n"
            "1000:20\n");
  struct stat stat {};
  ASSERT_EQ(::stat(rootfs().path("tmp/file").c_str(), &stat), 0);
  EXPECT_EQ(stat.st_uid, 200000U);
  EXPECT_EQ(stat.st_gid, 400010U);
}

TEST_F(RuntimeNamespacesTest, ATimeNamespaceHasItsOffsets) {
  Json config = script("cat /proc/self/timens_offsets");
  config["linux"]["namespaces"].push_back(namespace_json("time"));
  config["linux"]["timeOffsets"]["monotonic"] = {{"secs", 1000}, {"nanosecs", 5}};
  config["linux"]["timeOffsets"]["boottime"] = {{"secs", 86400}};
  EXPECT_EQ(run(config).output,
            "monotonic        1000         5\nboottime        86400         0\n");
}

TEST_F(RuntimeNamespacesTest, OffsetsNeedANewTimeNamespace) {
  Json config = idle();
  config["linux"]["timeOffsets"]["boottime"] = {{"secs", 86400}};
  EXPECT_FALSE(refusal_of(config).empty());
}

TEST_F(RuntimeNamespacesTest, TheHostsNameStaysWithoutAUtsNamespace) {
  Json config = idle();
  drop_namespace(config, "uts");
  config["hostname"] = "changed-by-a-test";
  EXPECT_FALSE(refusal_of(config).empty());
  char name[256] = {};
  ASSERT_EQ(::gethostname(name, sizeof(name)), 0);
  EXPECT_STRNE(name, "changed-by-a-test");
}

TEST_F(RuntimeNamespacesTest, HostAndDomainNamesAreTheContainersOwn) {
  Json config = script("busybox hostname; cat /proc/sys/kernel/domainname");
  config["hostname"] = "one";
  config["domainname"] = "example.org";
  EXPECT_EQ(run(config).output, "one\nexample.org\n");
}

}  // namespace
}  // namespace layerkit::testing
