#include <linux/capability.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <set>

#include "descriptor_socket.h"
#include "runtime_fixture.h"

// CVE-2016-9962: until the program is executed, a process holds what is the runtime's. Nobody in a
// container may look into it, at whichever step it is.

namespace layerkit::testing {
namespace {

class RuntimeUndumpableTest : public RuntimeTest {
 protected:
  /// Whose processes stop before they are executed, until an agent says to go on.
  Json stopping_at_exec(Json config) const {
    Json rule;
    rule["names"] = {"execveat"};
    rule["action"] = "SCMP_ACT_NOTIFY";
    Json& seccomp = config["linux"]["seccomp"];
    seccomp["defaultAction"] = "SCMP_ACT_ALLOW";
    seccomp["syscalls"] = {rule};
    seccomp["listenerPath"] = path("agent");
    return config;
  }
};

int drop_all_capabilities() {
  __user_cap_header_struct header{};
  header.version = _LINUX_CAPABILITY_VERSION_3;
  const __user_cap_data_struct none[2] = {};
  return ::syscall(SYS_capset, &header, &none) == 0 ? 0 : errno;
}

/// What a root without any capability gets when it reads the environment of the process, which
/// takes what ptrace does: 0 or an errno.
int look_into(pid_t pid) {
  return exit_code_of(fork_to([&] {
    if (const int error = drop_all_capabilities()) return error;
    const Fd fd(::open(fmt::format("/proc/{}/environ", pid).c_str(), O_RDONLY | O_CLOEXEC));
    return fd ? 0 : errno;
  }));
}

/// Before its first exec it is a copy of the runtime, at the end with the capabilities of the
/// program: another process of that user, in the same pid namespace, is not kept out by those.
TEST_F(RuntimeUndumpableTest, WhatWasNotExecutedYetIsUndumpable) {
  DescriptorSocket agent(path("agent"));
  Json config = stopping_at_exec(script("exit 7"));
  config["process"]["capabilities"] = Json::object();
  const pid_t runtime_process = fork_to([&] { return start(config)->wait().code; });
  const Fd listener = agent.receive();
  ASSERT_TRUE(listener);
  seccomp_notif request{};
  ASSERT_EQ(::ioctl(listener.get(), SECCOMP_IOCTL_NOTIF_RECV, &request), 0);
  EXPECT_EQ(look_into(static_cast<pid_t>(request.pid)), EACCES);
  seccomp_notif_resp response{};
  response.id = request.id;
  response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
  EXPECT_EQ(::ioctl(listener.get(), SECCOMP_IOCTL_NOTIF_SEND, &response), 0);
  EXPECT_EQ(exit_code_of(runtime_process), 7);
}

TEST_F(RuntimeUndumpableTest, TheLookOfTheseTestsReachesWhatIsDumpable) {
  const pid_t other = fork_to([] {
    const int error = drop_all_capabilities();
    ::kill(::getpid(), SIGSTOP);
    return error;
  });
  int status = 0;
  ASSERT_EQ(::waitpid(other, &status, WUNTRACED), other);
  EXPECT_EQ(look_into(other), 0);
  ::kill(other, SIGCONT);
  EXPECT_EQ(exit_code_of(other), 0);
}

/// The kernel gives the files of an undumpable process to root.
TEST_F(RuntimeUndumpableTest, WhatWaitsToBeStartedIsUndumpable) {
  Json config = script("sleep 1000000");
  config["process"]["user"] = {{"uid", 1000}, {"gid", 1000}};
  const auto process = create(config);
  struct stat stat {};
  ASSERT_EQ(::stat(fmt::format("/proc/{}/fd", process->pid()).c_str(), &stat), 0);
  EXPECT_EQ(stat.st_uid, 0U);
  runtime().start(id(), context());
  constexpr int kTries = 1000;
  for (int i = 0; i < kTries && stat.st_uid != 1000; ++i) {
    ::usleep(10'000);
    ASSERT_EQ(::stat(fmt::format("/proc/{}/fd", process->pid()).c_str(), &stat), 0);
  }
  EXPECT_EQ(stat.st_uid, 1000U);
}

/// Runs `work` in a process of its own, where what that makes can be stopped at its birth.
class FollowedProcess {
 public:
  explicit FollowedProcess(const std::function<int()>& work) {
    int gate[2] = {-1, -1};
    if (::pipe2(gate, O_CLOEXEC) != 0) fail_errno(errno, "making a pipe");
    const Fd outer(gate[1]);
    const Fd inner(gate[0]);
    pid_ = fork_to([&] {
      char byte = 0;
      return ::read(inner.get(), &byte, 1) == 1 ? work() : 98;
    });
    constexpr long kOptions = PTRACE_O_TRACEFORK | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL;
    EXPECT_EQ(::ptrace(PTRACE_SEIZE, pid_, nullptr, kOptions), 0);
    EXPECT_EQ(::write(outer.get(), "x", 1), 1);
  }
  FollowedProcess(const FollowedProcess&) = delete;
  FollowedProcess& operator=(const FollowedProcess&) = delete;
  ~FollowedProcess() {
    if (exit_code_ < 0) ::kill(pid_, SIGKILL);
  }

  /// Until one that it made has made another, which is left stopped and has done nothing yet; 0
  /// when it ends before that.
  pid_t await_grandchild() {
    pid_t child = 0;
    pid_t grandchild = 0;
    std::set<pid_t> newborn;
    while (grandchild == 0 || !newborn.contains(grandchild)) {
      const Stop stop = await_stop();
      if (stop.pid == 0) return 0;
      if (stop.is_newborn) {
        newborn.insert(stop.pid);
      } else {
        (stop.pid == pid_ ? child : grandchild) = stop.made;
        go_on(stop.pid);
      }
      // Either may be told of first.
      if (newborn.erase(child) != 0) go_on(child);
    }
    return grandchild;
  }

  /// Lets all go on until it ends: its exit code.
  int await_end(pid_t stopped) {
    go_on(stopped);
    while (true) {
      const Stop stop = await_stop();
      if (stop.pid == 0) return exit_code_;
      go_on(stop.pid);
    }
  }

 private:
  struct Stop {
    pid_t pid = 0;  ///< 0: the process has ended
    bool is_newborn = false;
    pid_t made = 0;  ///< by `pid`
  };

  static void go_on(pid_t pid, int signal_number = 0) {
    ::ptrace(PTRACE_CONT, pid, nullptr, static_cast<long>(signal_number));
  }

  Stop await_stop() {
    for (;;) {
      int status = 0;
      const pid_t pid = ::waitpid(-1, &status, __WALL);
      if (pid < 0) return {};
      if (!WIFSTOPPED(status)) {
        if (pid != pid_) continue;
        exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        return {};
      }
      unsigned long made = 0;
      switch (status >> 16) {
        case 0:
          go_on(pid, WSTOPSIG(status));
          break;
        case PTRACE_EVENT_STOP:
          return {pid, true, 0};
        default:
          ::ptrace(PTRACE_GETEVENTMSG, pid, nullptr, &made);
          return {pid, false, static_cast<pid_t>(made)};
      }
    }
  }

  pid_t pid_ = 0;
  int exit_code_ = -1;
};

/// From the moment on when it is in the namespaces: root of the user namespace may trace there.
TEST_F(RuntimeUndumpableTest, WhatJoinsIsUndumpableFromItsBirth) {
  Json config = idle();
  for (const char* set : {"bounding", "effective", "permitted"})
    config["process"]["capabilities"][set] = bounding_capabilities();
  config["linux"]["namespaces"].push_back(namespace_json("user"));
  config["linux"]["uidMappings"] = {mapping_json(0, 100000, 65536)};
  config["linux"]["gidMappings"] = {mapping_json(0, 100000, 65536)};
  start(config);
  FollowedProcess joiner([&] { return exec("exit 7").status.code; });
  const pid_t joining = joiner.await_grandchild();
  ASSERT_NE(joining, 0);
  EXPECT_EQ(exec("for each in /proc/[0-9]*; do case $each in /proc/1|/proc/$$) ;; *) "
                 "busybox readlink $each/exe || echo closed; esac; done")
                .output,
            "closed\n");
  EXPECT_EQ(joiner.await_end(joining), 7);
}

}  // namespace
}  // namespace layerkit::testing
