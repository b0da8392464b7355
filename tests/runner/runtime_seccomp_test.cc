#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include <thread>

#include "descriptor_socket.h"
#include "runtime_fixture.h"

namespace layerkit::testing {
namespace {

class RuntimeSeccompTest : public RuntimeTest {
 protected:
  static Json rule(const char* call, const char* action) {
    Json rule;
    rule["names"] = std::vector<std::string>{call};
    rule["action"] = action;
    return rule;
  }
  static Json with_profile(Json config, std::vector<Json> rules) {
    Json& seccomp = config["linux"]["seccomp"];
    seccomp["defaultAction"] = "SCMP_ACT_ALLOW";
    seccomp["syscalls"] = std::move(rules);
    return config;
  }
  Json with_listener(Json config) const {
    config = with_profile(std::move(config), {rule("mkdir", "SCMP_ACT_NOTIFY")});
    config["linux"]["seccomp"]["listenerPath"] = path("agent");
    config["linux"]["seccomp"]["listenerMetadata"] = "some metadata";
    return config;
  }
  /// Answers one call with an errno.
  static void answer(const Fd& listener, int error) {
    seccomp_notif request{};
    if (::ioctl(listener.get(), SECCOMP_IOCTL_NOTIF_RECV, &request) != 0) return;
    seccomp_notif_resp response{};
    response.id = request.id;
    response.error = -error;
    ::ioctl(listener.get(), SECCOMP_IOCTL_NOTIF_SEND, &response);
  }
};

TEST_F(RuntimeSeccompTest, ACallFailsWithTheErrnoOfItsRule) {
  for (const bool no_new_privileges : {false, true}) {
    Json rule_of_mkdir = rule("mkdir", "SCMP_ACT_ERRNO");
    rule_of_mkdir["errnoRet"] = EXDEV;
    Json config = with_profile(
        script("busybox mkdir /tmp/x; busybox grep Seccomp: /proc/self/status"), {rule_of_mkdir});
    config["process"]["noNewPrivileges"] = no_new_privileges;
    EXPECT_EQ(run(config).output,
              "mkdir: can't create directory '/tmp/x': Invalid cross-device link\nSeccomp:\t2\n");
  }
}

/// With noNewPrivileges the filter is the last thing before the program.
TEST_F(RuntimeSeccompTest, WhatTheRuntimeNeedsMayBeForbidden) {
  std::vector<Json> rules;
  for (const char* call :
       {"setns", "mount", "capset", "setresuid", "setresgid", "setgroups", "chdir", "fchdir",
        "openat2", "close_range", "dup3", "sendmsg", "sched_setaffinity", "umask"})
    rules.push_back(rule(call, "SCMP_ACT_KILL_PROCESS"));
  Json config = with_profile(script("echo fine"), rules);
  config["process"]["noNewPrivileges"] = true;
  config["process"]["user"] = {{"uid", 1000}, {"gid", 1000}};
  config["process"]["capabilities"] = Json::object();
  EXPECT_EQ(run(config).output, "fine\n");
}

/// Without, loading it takes CAP_SYS_ADMIN, which is dropped after that.
TEST_F(RuntimeSeccompTest, WithoutNoNewPrivilegesOnlyDroppingThemIsLeft) {
  std::vector<Json> rules;
  for (const char* call : {"setns", "mount", "chdir", "fchdir", "openat2", "close_range", "dup3",
                           "sendmsg", "sched_setaffinity", "umask"})
    rules.push_back(rule(call, "SCMP_ACT_KILL_PROCESS"));
  Json config = with_profile(script("busybox grep CapEff /proc/self/status"), rules);
  config["process"]["user"] = {{"uid", 1000}, {"gid", 1000}};
  config["process"]["capabilities"] = Json::object();
  EXPECT_EQ(run(config).output, "CapEff:\t0000000000000000\n");
}

TEST_F(RuntimeSeccompTest, AnUnknownActionIsRefused) {
  EXPECT_NE(refusal_of(with_profile(idle(), {rule("mkdir", "SCMP_ACT_NONE_SUCH")}))
                .find("SCMP_ACT_NONE_SUCH"),
            std::string::npos);
}

TEST_F(RuntimeSeccompTest, TheListenerGetsTheDescriptorAndTheState) {
  DescriptorSocket agent(path("agent"));
  Json config = with_listener(script("busybox mkdir /tmp/x"));
  config["annotations"]["who"] = "me";
  const auto process = create(config);
  const SentDescriptor sent = agent.receive_all();
  ASSERT_TRUE(sent.fd);
  const Json message = Json::parse(sent.text);
  EXPECT_EQ(message["ociVersion"], "0.2.0");
  EXPECT_EQ(message["fds"], Json::array({"seccompFd"}));
  EXPECT_EQ(message["pid"], process->pid());
  EXPECT_EQ(message["metadata"], "some metadata");
  EXPECT_EQ(message["state"]["id"], id());
  EXPECT_EQ(message["state"]["pid"], process->pid());
  EXPECT_EQ(message["state"]["status"], "creating");
  EXPECT_EQ(message["state"]["annotations"]["who"], "me");
  runtime().start(id(), context());
  answer(sent.fd, ENOSPC);
  process->wait();
  EXPECT_EQ(output(), "mkdir: can't create directory '/tmp/x': No space left on device\n");
}

TEST_F(RuntimeSeccompTest, AnExecHasAListenerOfItsOwn) {
  DescriptorSocket agent(path("agent"));
  start(with_listener(idle()));
  const Fd first = agent.receive();
  const Capture seen;
  const auto process = start_exec(exec_script("busybox mkdir /tmp/x"), seen.end().get());
  const SentDescriptor sent = agent.receive_all();
  EXPECT_EQ(Json::parse(sent.text)["pid"], process->pid());
  EXPECT_EQ(Json::parse(sent.text)["state"]["status"], "running");
  answer(sent.fd, EIO);
  process->wait();
  EXPECT_EQ(seen.text(), "mkdir: can't create directory '/tmp/x': Input/output error\n");
}

TEST_F(RuntimeSeccompTest, WithoutAnAgentItDoesNotStart) {
  EXPECT_EQ(refusal_of(with_listener(idle())),
            "connecting to seccomp listener '" + path("agent") + "': No such file or directory");
}

TEST_F(RuntimeSeccompTest, NotifyingWithoutAListenerPathIsRefused) {
  EXPECT_FALSE(refusal_of(with_profile(idle(), {rule("mkdir", "SCMP_ACT_NOTIFY")})).empty());
}

TEST_F(RuntimeSeccompTest, TheSecondContainerUsesTheStoredFilter) {
  Json config = with_profile(script("busybox mkdir /tmp/x"), {rule("mkdir", "SCMP_ACT_ERRNO")});
  const std::string first = run(config).output;
  EXPECT_FALSE(std::filesystem::is_empty(path("states/.seccomp")));
  EXPECT_EQ(run(config).output, first);
  // One that somebody damaged is not used.
  for (const auto& entry : std::filesystem::directory_iterator(path("states/.seccomp")))
    rewrite_text(entry.path().string(), "damaged");
  EXPECT_EQ(run(config).output, first);
}

}  // namespace
}  // namespace layerkit::testing
