#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "expect_error.h"
#include "runner_fixture.h"

namespace layerkit::testing {
namespace {

using ContainerProcessTest = ContainerTest;

TEST_F(ContainerProcessTest, PassesTheExitCodeOn) {
  EXPECT_EQ(run(rootfs(), shell("exit 0")).status.code, 0);
  const Outcome outcome = run(rootfs(), shell("exit 42"));
  EXPECT_EQ(outcome.status.code, 42);
  EXPECT_EQ(outcome.status.signal, 0);
}

TEST_F(ContainerProcessTest, ASignalBecomes128PlusItsNumber) {
  const auto container =
      start_container(spec_of({"sleep", "1000"}), rootfs().detach(), nullptr, Context{});
  container->signal(SIGKILL);
  const ExitStatus status = container->wait();
  EXPECT_EQ(status.code, 137);
  EXPECT_EQ(status.signal, SIGKILL);
  EXPECT_FALSE(status.out_of_memory);
  EXPECT_EQ(container->wait().code, 137);
  EXPECT_NO_THROW(container->signal(SIGTERM));
}

TEST_F(ContainerProcessTest, DestructionKillsWhatRuns) {
  pid_t pid = -1;
  {
    const auto container =
        start_container(spec_of({"sleep", "1000"}), rootfs().detach(), nullptr, Context{});
    pid = container->pid();
    EXPECT_EQ(::kill(pid, 0), 0);
  }
  EXPECT_EQ(::kill(pid, 0), -1);
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "a zombie was left";
}

TEST_F(ContainerProcessTest, HasExactlyTheGivenEnvironment) {
  ContainerSpec spec = spec_of({"busybox", "env"});
  spec.process.env = {"PATH=/bin", "A=b c", "EMPTY="};
  EXPECT_EQ(run(rootfs(), std::move(spec)).output, "PATH=/bin\nA=b c\nEMPTY=\n");
}

TEST_F(ContainerProcessTest, ArgumentsArriveUnchanged) {
  const Outcome outcome = run(rootfs(), spec_of({"busybox", "printf", "%s|", "a b", "", "$x"}));
  EXPECT_EQ(outcome.output, "a b||$x|");
}

TEST_F(ContainerProcessTest, AMissingWorkingDirectoryIsCreated) {
  ContainerSpec spec = shell("pwd; stat -c %u:%g:%a .");
  spec.process.cwd = "/srv/a/b";
  spec.read_only_rootfs = true;
  EXPECT_EQ(run(rootfs(), std::move(spec)).output, "/srv/a/b\n0:0:755\n");
}

TEST_F(ContainerProcessTest, RunsAsTheGivenUserWithoutCapabilities) {
  ContainerSpec spec =
      shell("id -u; id -g; id -G; grep -E 'Cap(Inh|Prm|Eff|Bnd|Amb)' /proc/self/status");
  rootfs().replace_by_link("bin/grep", "busybox");
  spec.process.uid = 1000;
  spec.process.gid = 1001;
  spec.process.additional_gids = {10, 20};
  EXPECT_EQ(run(rootfs(), std::move(spec)).output,
            "1000\n1001\n1001 10 20\n"
            "CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n"
            "CapBnd:\t00000000a80425fb\nCapAmb:\t0000000000000000\n");
}

TEST_F(ContainerProcessTest, RootHasTheGivenCapabilitiesAndNoInheritableOnes) {
  rootfs().replace_by_link("bin/grep", "busybox");
  ContainerSpec spec =
      shell("id -u; id -G; grep Cap /proc/self/status; grep NoNewPrivs /proc/self/status");
  spec.process.capabilities = capabilities_of({"CAP_CHOWN", "CAP_KILL"}, 0);
  spec.process.no_new_privileges = true;
  EXPECT_EQ(run(rootfs(), std::move(spec)).output,
            "0\n0\n"
            "CapInh:\t0000000000000000\nCapPrm:\t0000000000000021\nCapEff:\t0000000000000021\n"
            "CapBnd:\t0000000000000021\nCapAmb:\t0000000000000000\nNoNewPrivs:\t1\n");
}

TEST_F(ContainerProcessTest, SignalsAreAtTheirDefaults) {
  rootfs().replace_by_link("bin/grep", "busybox");
  struct sigaction before {};
  ::sigaction(SIGPIPE, nullptr, &before);
  static_cast<void>(::signal(SIGPIPE, SIG_IGN));
  ContainerSpec spec = spec_of({"grep", "-E", "Sig(Blk|Ign|Cgt)", "/proc/self/status"});
  const Outcome outcome = run(rootfs(), std::move(spec));
  ::sigaction(SIGPIPE, &before, nullptr);
  EXPECT_EQ(outcome.output,
            "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\nSigCgt:\t0000000000000000\n");
}

TEST_F(ContainerProcessTest, RlimitsAndOomScoreAreSet) {
  ContainerSpec spec = shell("ulimit -n; ulimit -Hn; cat /proc/self/oom_score_adj; umask");
  spec.process.rlimits = {{RLIMIT_NOFILE, 64, 128}};
  spec.process.oom_score_adj = 500;
  EXPECT_EQ(run(rootfs(), std::move(spec)).output, "64\n128\n500\n0022\n");
}

TEST_F(ContainerProcessTest, RefusedRlimitsAreNamed) {
  rlimit64 now{};
  ASSERT_EQ(::getrlimit64(RLIMIT_NOFILE, &now), 0);
  ContainerSpec spec = shell("true");
  // Soft above hard: nobody may.
  spec.process.rlimits = {{RLIMIT_CORE, 0, 0}, {RLIMIT_NOFILE, now.rlim_max, now.rlim_max - 1}};
  const Refusal refusal = refused(rootfs(), std::move(spec));
  EXPECT_EQ(refusal.message, "setting RLIMIT_NOFILE: Invalid argument");
  EXPECT_EQ(refusal.failure, StartFailure::Setup);
}

TEST_F(ContainerProcessTest, StandardInputReachesTheProgram) {
  int ends[2] = {-1, -1};
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  Fd write_end(ends[1]);
  write_all(write_end.get(), "hello", "pipe");
  write_end.reset();
  ContainerSpec spec = spec_of({"cat"});
  spec.standard_input = Fd(ends[0]);
  EXPECT_EQ(run(rootfs(), std::move(spec)).output, "hello");
}

TEST_F(ContainerProcessTest, WithoutStreamsTheyAreTheNullDevice) {
  ContainerSpec spec = shell("cat; echo lost; [ $(busybox stat -L -c %t:%T /dev/stdin) = 1:3 ]");
  const auto container = start_container(std::move(spec), rootfs().detach(), nullptr, Context{});
  EXPECT_EQ(container->wait().code, 0);
}

}  // namespace
}  // namespace layerkit::testing
