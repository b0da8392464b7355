#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "runtime_fixture.h"

namespace layerkit::testing {
namespace {

class RuntimeExecTest : public RuntimeTest {
 protected:
  /// Until the container's process has said something.
  void await_output() const {
    constexpr int kTries = 1000;
    for (int i = 0; i < kTries && output().empty(); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
};

constexpr std::array<const char*, 6> kNamespaces = {"mnt", "pid", "net", "ipc", "uts", "cgroup"};

TEST_F(RuntimeExecTest, ItIsInAllNamespacesOfTheContainer) {
  const auto process = start(idle());
  const Outcome outcome = exec(
      "for each in mnt pid net ipc uts cgroup; do "
      "busybox readlink /proc/self/ns/$each; done; ls -d /home");
  std::string wanted;
  for (const char* kind : kNamespaces) {
    wanted += std::filesystem::read_symlink(fmt::format("/proc/{}/ns/{}", process->pid(), kind))
                  .string() +
              "\n";
  }
  EXPECT_EQ(outcome.output, wanted + "/home\n");
}

TEST_F(RuntimeExecTest, ItIsInTheContainersCgroup) {
  start(idle());
  const Capture output;
  const auto process = start_exec(exec_request({"sleep", "1000000"}), output.end().get());
  const std::vector<pid_t> pids = runtime().processes(id());
  EXPECT_NE(std::find(pids.begin(), pids.end(), process->pid()), pids.end());
  runtime().kill(id(), SIGKILL, true);
  EXPECT_EQ(process->wait().signal, SIGKILL);
}

TEST_F(RuntimeExecTest, ItIsWhereTheFirstProcessIsWhenTheCgroupMayHaveNone) {
  const runner::CgroupLayout layout = runner::read_cgroup_layout();
  if (!layout.v1.empty() || !layout.v2) GTEST_SKIP() << "needs cgroup v2 alone";
  Json config = script(
      "cd /sys/fs/cgroup && busybox mkdir inner && echo 1 > inner/cgroup.procs && "
      "echo +pids > cgroup.subtree_control && echo ready && exec sleep 1000000");
  for (Json& mount : config["mounts"]) {
    if (mount["type"] == "cgroup")
      mount["options"] = Json::array({"rw", "nosuid", "noexec", "nodev"});
  }
  start(config);
  await_output();
  ASSERT_EQ(output(), "ready\n");
  EXPECT_EQ(exec("cat /proc/self/cgroup").output, "0::/inner\n");
}

TEST_F(RuntimeExecTest, ExitCodesAreThoseOfTheProcess) {
  start(idle());
  EXPECT_EQ(exec("exit 0").status.code, 0);
  EXPECT_EQ(exec("exit 37").status.code, 37);
  EXPECT_EQ(exec("kill -9 $$").status.code, 128 + SIGKILL);
}

TEST_F(RuntimeExecTest, WhatCannotBeExecutedIsSaidWithItsCode) {
  start(idle());
  EXPECT_EQ(exec_refusal_of(exec_request({"absent"})),
            "executing 'absent': executable file not found in $PATH");
  EXPECT_EQ(exec_failure(), StartFailure::NotFound);
  EXPECT_EQ(exec_refusal_of(exec_request({"/etc"})), "executing '/etc': permission denied");
  EXPECT_EQ(exec_failure(), StartFailure::NotExecutable);
  const std::string long_name(256, 'x');
  EXPECT_EQ(exec_refusal_of(exec_request({long_name})),
            "executing '" + long_name + "': File name too long");
  EXPECT_EQ(status(), ContainerStatus::Running);
}

/// The program's mode is not all: a capability may be enough.
TEST_F(RuntimeExecTest, WhatACapabilityAllowsCanBeExecuted) {
  rootfs().write("bin/mine", "#!/bin/sh\necho ran\n", 0744);
  start(idle());
  ExecRequest request = exec_request({"/bin/mine"});
  request.process.uid = 1000;
  Capabilities& all = request.process.capabilities;
  for (auto* set : {&all.bounding, &all.effective, &all.permitted, &all.inheritable, &all.ambient})
    set->emplace_back("CAP_DAC_OVERRIDE");
  EXPECT_EQ(exec(std::move(request)).output, "ran\n");
  request = exec_request({"/bin/mine"});
  request.process.uid = 1000;
  EXPECT_EQ(exec_refusal_of(std::move(request)), "executing '/bin/mine': permission denied");
}

TEST_F(RuntimeExecTest, TheEnvironmentIsTheContainersButForWhatIsSaid) {
  Json config = idle();
  config["process"]["env"].push_back("KEPT=1");
  config["process"]["env"].push_back("CHANGED=before");
  start(config);
  ExecRequest request = exec_script("echo $KEPT $CHANGED $NEW $HOME");
  request.process.env.emplace_back("CHANGED=after");
  request.process.env.emplace_back("NEW=2");
  EXPECT_EQ(exec(std::move(request)).output, "1 after 2 /home\n");
}

TEST_F(RuntimeExecTest, HomeIsThatOfItsUser) {
  rootfs().write("etc/passwd", "root:x:0:0::/root:/bin/sh\nme:x:1000:1000::/home/me:/bin/sh\n",
                 0644);
  Json config = idle();
  config["process"]["env"] = std::vector<std::string>{"PATH=/bin"};
  start(config);
  EXPECT_EQ(exec("echo $HOME").output, "/root\n");
  ExecRequest request = exec_script("echo $HOME");
  request.process.uid = 1000;
  EXPECT_EQ(exec(std::move(request)).output, "/home/me\n");
  request = exec_script("echo $HOME");
  request.process.uid = 1001;
  EXPECT_EQ(exec(std::move(request)).output, "/\n");
}

TEST_F(RuntimeExecTest, OfSeveralHomesTheLastCountsUnlessItIsEmpty) {
  rootfs().write("etc/passwd", "root:x:0:0::/root:/bin/sh\n", 0644);
  start(idle());
  const auto home = [&](std::vector<std::string> env) {
    ExecRequest request = exec_script("echo $HOME; busybox env | busybox grep -c ^HOME=");
    request.process.env = std::move(env);
    return exec(std::move(request)).output;
  };
  EXPECT_EQ(home({"PATH=/bin", "HOME=/a", "HOME="}), "/root\n1\n");
  EXPECT_EQ(home({"PATH=/bin", "HOME=", "HOME=/a"}), "/a\n1\n");
}

TEST_F(RuntimeExecTest, WorkingDirectoryUserAndGroups) {
  start(idle());
  ExecRequest request = exec_script("pwd; id -u; id -g; id -G");
  request.process.cwd = "/home";
  request.process.uid = 1000;
  request.process.gid = 1001;
  request.process.additional_gids = {5, 1002};
  EXPECT_EQ(exec(std::move(request)).output, "/home\n1000\n1001\n1001 5 1002\n");
}

TEST_F(RuntimeExecTest, AWorkingDirectoryThatDoesNotExistIsNamed) {
  start(idle());
  ExecRequest request = exec_script("pwd");
  request.process.cwd = "/absent";
  EXPECT_EQ(exec_refusal_of(std::move(request)),
            "entering working directory '/absent': No such file or directory");
}

/// CVE-2022-29162: nothing is inheritable that was not asked for.
TEST_F(RuntimeExecTest, CapabilitiesAreThoseThatAreSaidAndNoneIsInheritable) {
  start(idle());
  ExecRequest request = exec_script("cat /proc/self/status");
  for (auto* set : {&request.process.capabilities.bounding, &request.process.capabilities.effective,
                    &request.process.capabilities.permitted}) {
    *set = {"CAP_KILL", "CAP_CHOWN"};
  }
  const std::string status = exec(std::move(request)).output;
  for (const char* line :
       {"CapInh:\t0000000000000000\n", "CapPrm:\t0000000000000021\n", "CapEff:\t0000000000000021\n",
        "CapBnd:\t0000000000000021\n", "CapAmb:\t0000000000000000\n", "NoNewPrivs:\t0\n"})
    EXPECT_NE(status.find(line), std::string::npos) << line << status;
}

TEST_F(RuntimeExecTest, NoNewPrivileges) {
  start(idle());
  ExecRequest request = exec_script("cat /proc/self/status");
  request.process.no_new_privileges = true;
  EXPECT_NE(exec(std::move(request)).output.find("NoNewPrivs:\t1\n"), std::string::npos);
}

TEST_F(RuntimeExecTest, TheContainersSeccompFilterHoldsForIt) {
  Json config = idle();
  Json& seccomp = config["linux"]["seccomp"];
  seccomp["defaultAction"] = "SCMP_ACT_ALLOW";
  seccomp["syscalls"] = {
      {{"names", {"mkdir", "mkdirat"}}, {"action", "SCMP_ACT_ERRNO"}, {"errnoRet", 5}}};
  start(config);
  EXPECT_EQ(exec("busybox mkdir /tmp/x").output,
            "mkdir: can't create directory '/tmp/x': Input/output error\n");
}

TEST_F(RuntimeExecTest, ThePidFileHasThePid) {
  start(idle());
  ExecRequest request = exec_request({"sleep", "1000000"});
  request.pid_file = path("pid");
  const Capture output;
  const auto process = start_exec(std::move(request), output.end().get());
  EXPECT_EQ(read_text(path("pid")), std::to_string(process->pid()));
}

TEST_F(RuntimeExecTest, ItLivesOnWithoutWhoeverStartedIt) {
  start(idle());
  const pid_t starter = fork_to([&] {
    const Capture output;
    ExecRequest request = exec_request({"sleep", "1000000"});
    request.pid_file = path("pid");
    start_exec(std::move(request), output.end().get());
    return 0;
  });
  EXPECT_EQ(exit_code_of(starter), 0);
  const pid_t pid = std::stoi(read_text(path("pid")));
  EXPECT_EQ(::kill(pid, 0), 0);
  EXPECT_EQ(runtime().processes(id()).size(), 2U);
}

TEST_F(RuntimeExecTest, ItGetsTheDescriptorsThatAreHandedDown) {
  start(idle());
  const Fd file = open_at(AT_FDCWD, "/", O_TMPFILE | O_RDWR, 0600);
  write_all(file.get(), "handed down\n", "file");
  ::lseek(file.get(), 0, SEEK_SET);
  ExecRequest request =
      exec_script("cat <&4; [ -e /proc/self/fd/3 ] || echo closed; ls /proc/$$/fd; exit 0");
  request.preserved.emplace_back();
  request.preserved.push_back(file.duplicate());
  EXPECT_EQ(exec(std::move(request)).output, "handed down\nclosed\n0\n1\n2\n4\n");
}

TEST_F(RuntimeExecTest, APausedContainerRefusesUnlessThatIsIgnored) {
  start(idle());
  runtime().pause(id(), context());
  EXPECT_EQ(exec_refusal_of(exec_script("true")),
            "cannot exec in a paused container (use --ignore-paused to override): '" + id() + "'");
  ExecRequest request = exec_script("echo ran");
  request.ignores_pause = true;
  // It waits for the thaw: so another process starts it.
  const pid_t starter = fork_to([&] { return exec(std::move(request)).output == "ran\n" ? 0 : 1; });
  runtime().resume(id(), context());
  EXPECT_EQ(exit_code_of(starter), 0);
}

TEST_F(RuntimeExecTest, AStoppedContainerRefuses) {
  const auto process = start(script("true"));
  process->wait();
  EXPECT_EQ(exec_refusal_of(exec_script("true")),
            "cannot exec in a stopped container: '" + id() + "'");
}

TEST_F(RuntimeExecTest, ACreatedContainerTakesIt) {
  create(idle());
  EXPECT_EQ(exec("echo fine").output, "fine\n");
  EXPECT_EQ(status(), ContainerStatus::Created);
}

TEST_F(RuntimeExecTest, ItJoinsACgroupBelowTheContainers) {
  const auto hierarchy = v1_hierarchy("pids");
  if (!hierarchy) GTEST_SKIP() << "needs the pids controller of cgroup v1";
  start(idle());
  make_nested_cgroup(id(), "deep/er");
  ExecRequest request = exec_request({"cat", "/proc/self/cgroup"});
  request.cgroup = "deep/er";
  const Outcome outcome = exec(std::move(request));
  EXPECT_NE(outcome.output.find(":pids:/deep/er\n"), std::string::npos) << outcome.output;
}

TEST_F(RuntimeExecTest, ACgroupOutsideTheContainersIsRefused) {
  start(idle());
  for (const char* outside : {"..", "../..", "a/../..", "/..", "/"}) {
    ExecRequest request = exec_script("true");
    request.cgroup = outside;
    try {
      exec(std::move(request));
      EXPECT_STREQ(outside, "/") << "it ran";  // the container's own
    } catch (const Error& error) {
      EXPECT_NE(error.message().find("cgroup"), std::string::npos) << error.message();
    }
  }
  ExecRequest request = exec_script("true");
  request.cgroup = "absent";
  EXPECT_EQ(exec_refusal_of(std::move(request)),
            "joining cgroup 'absent' of container '" + id() + "': it does not exist");
}

TEST_F(RuntimeExecTest, ALabelIsToldToHaveNoEffectOrRefused) {
  start(idle());
  const bool has_selinux = std::filesystem::exists("/sys/fs/selinux/enforce");
  ExecRequest request = exec_script("echo it ran");
  request.process.selinux_label = "a:b:c";
  if (has_selinux) {
    EXPECT_NE(exec_refusal_of(std::move(request)).find("SELinux is not supported"),
              std::string::npos);
    return;
  }
  EXPECT_EQ(exec(std::move(request)).output, "it ran\n");
  EXPECT_EQ(warnings(),
            std::vector<std::string>{"label 'a:b:c' has no effect: this system has no SELinux"});
}

TEST_F(RuntimeExecTest, ItRunsOnTheCpusThatAreSaid) {
  cpu_set_t all;
  CPU_ZERO(&all);
  ASSERT_EQ(::sched_getaffinity(0, sizeof(all), &all), 0);
  if (CPU_COUNT(&all) < 2 || !CPU_ISSET(1, &all)) GTEST_SKIP() << "needs CPUs 0 and 1";
  start(idle());
  ExecRequest request = exec_script("busybox grep Cpus_allowed_list /proc/self/status");
  request.process.initial_cpu_affinity = "0";
  request.process.final_cpu_affinity = "1";
  EXPECT_EQ(exec(std::move(request)).output, "Cpus_allowed_list:\t1\n");
  request = exec_script("busybox grep Cpus_allowed_list /proc/self/status");
  request.process.final_cpu_affinity = "0,x";
  EXPECT_NE(exec_refusal_of(std::move(request)).find("0,x"), std::string::npos);
}

/// The caller's affinity holds neither for the container nor for what joins it.
TEST_F(RuntimeExecTest, ItRunsOnAllCpusUnlessSomeAreSaid) {
  cpu_set_t all;
  CPU_ZERO(&all);
  ASSERT_EQ(::sched_getaffinity(0, sizeof(all), &all), 0);
  if (CPU_COUNT(&all) < 2 || !CPU_ISSET(0, &all)) GTEST_SKIP() << "needs CPU 0 and another";
  cpu_set_t first;
  CPU_ZERO(&first);
  CPU_SET(0, &first);
  const std::string show = "busybox grep Cpus_allowed_list /proc/self/status";
  ASSERT_EQ(::sched_setaffinity(0, sizeof(first), &first), 0);
  const std::string narrow = read_text("/proc/thread-self/status");
  start(script(show + "; exec sleep 1000000"));
  const std::string seen = exec(show).output;
  ASSERT_EQ(::sched_setaffinity(0, sizeof(all), &all), 0);
  ASSERT_NE(narrow.find("Cpus_allowed_list:\t0\n"), std::string::npos);
  EXPECT_NE(seen, "Cpus_allowed_list:\t0\n");
  await_output();
  EXPECT_EQ(output(), seen);
}

TEST_F(RuntimeExecTest, ItHasThePersonalityOfTheContainer) {
  Json config = idle();
  config["linux"]["personality"]["domain"] = "LINUX32";
  start(config);
  EXPECT_EQ(exec("busybox uname -m").output, "i686\n");
}

TEST_F(RuntimeExecTest, ItHasTheMemoryPolicyOfTheContainer) {
  int mode = 0;
  if (::syscall(SYS_get_mempolicy, &mode, nullptr, 0, nullptr, 0) != 0)
    GTEST_SKIP() << "needs a kernel with memory policies";
  if (!std::filesystem::exists("/proc/self/numa_maps"))
    GTEST_SKIP() << "needs /proc/self/numa_maps";
  Json config = idle();
  config["linux"]["memoryPolicy"] = {{"mode", "MPOL_BIND"}, {"nodes", "0"}};
  start(config);
  EXPECT_NE(exec("cat /proc/self/numa_maps").output.find(" bind:0 "), std::string::npos);
}

TEST_F(RuntimeExecTest, ItJoinsAUserNamespaceAsItsRoot) {
  Json config = idle();
  config["linux"]["namespaces"].push_back(namespace_json("user"));
  config["linux"]["uidMappings"] = {mapping_json(0, 100000, 65536)};
  config["linux"]["gidMappings"] = {mapping_json(0, 100000, 65536)};
  start(config);
  ExecRequest request = exec_script("id -u; cat /proc/self/uid_map");
  const Outcome outcome = exec(std::move(request));
  EXPECT_EQ(outcome.output, "0\n         0     100000      65536\n");
}

}  // namespace
}  // namespace layerkit::testing
