#include <thread>

#include "container_fixture.h"
#include "exec_session.h"
#include "expect_error.h"
#include "layerkit/imagetool/container_store.h"

namespace layerkit::testing {
namespace {

/// Commands that look into a running container, or are run there.
class ExecTest : public ContainerTest {
 protected:
  void SetUp() override {
    ContainerTest::SetUp();
    if (IsSkipped()) return;
    id_ = run_output("-d --name cc -e BASE=1 -w /data box sleep 1000");
  }
  void expect_error(const std::string& arguments, const std::string& text, int exit_code = 1) {
    const CommandResult result = tool(arguments);
    EXPECT_EQ(result.exit_code, exit_code) << arguments << "\n" << result.output;
    EXPECT_NE(result.output.find(text), std::string::npos) << arguments << "\n" << result.output;
  }
  std::string namespaces_of(const std::string& process) {
    return "for n in cgroup ipc mnt net pid uts; do stat -L -c %i " + process + "/ns/$n; done";
  }

  std::string id_;
};

TEST_P(ExecTest, ItIsAProcessOfTheContainer) {
  const auto own = tool("exec cc sh -c '" + namespaces_of("/proc/self") + "'");
  const auto init = tool("exec cc sh -c '" + namespaces_of("/proc/1") + "'");
  EXPECT_EQ(own.exit_code, 0) << own.output;
  EXPECT_EQ(own.output, init.output);
  EXPECT_EQ(output("exec cc cat /opt/version"), "two");
  const std::string cgroups = output("exec cc cat /proc/self/cgroup");
  EXPECT_EQ(cgroups, output("exec cc cat /proc/1/cgroup"));
}

TEST_P(ExecTest, ItHasWhatTheContainerHasUnlessToldOtherwise) {
  EXPECT_EQ(output("exec cc sh -c 'echo $BASE $FROM_IMAGE $HOME $HOSTNAME; pwd'"),
            "1 yes /root " + id_.substr(0, 12) + "\n/data");
  EXPECT_EQ(output("exec -e BASE=2 -e MORE=3 -u app -w /opt cc "
                   "sh -c 'echo $BASE $MORE $HOME; pwd; id'"),
            "2 3 /home/app\n/opt\nuid=1000(app) gid=1001 groups=77(team),1001");
  write_file_at(dir_.fd(), "env", "# no\nFROM_FILE=f\n", 0644);
  EXPECT_EQ(output("exec --env-file " + dir_.path("env") + " cc sh -c 'echo $FROM_FILE'"), "f");
  // As docker: the container would have run it.
  expect_error("exec -w relative cc true", "needs to be an absolute path", 126);
  expect_error("exec -u nobody-there cc true", "nobody-there", 126);
}

TEST_P(ExecTest, CapabilitiesAndFilterAreTheContainers) {
  const std::string grep = " cc grep -E 'CapEff|Seccomp:' /proc/self/status";
  EXPECT_EQ(output("exec" + grep), output("exec cc grep -E 'CapEff|Seccomp:' /proc/1/status"));
  const std::string all = output("exec --privileged" + grep);
  EXPECT_NE(all, output("exec" + grep));
  EXPECT_NE(all.find("Seccomp:\t2"), std::string::npos) << all;
}

TEST_P(ExecTest, TheExitCodeIsThatOfTheCommand) {
  EXPECT_EQ(tool("exec cc sh -c 'exit 7'").exit_code, 7);
  EXPECT_EQ(tool("exec cc sh -c 'kill -9 $$'").exit_code, 137);
  expect_error("exec cc nosuch", "nosuch", 127);
  expect_error("exec cc /etc/not-executable", "/etc/not-executable", 126);
  // As docker, whose client is told of a failure then, not of an exit code.
  expect_error("exec -d cc nosuch", "nosuch", 1);
  expect_error("exec -d cc /etc/not-executable", "/etc/not-executable", 1);
  expect_error("exec -d -u nobody-there cc true", "nobody-there", 1);
  expect_error("exec cc", "a command is required");
  expect_error("exec nosuch true", "No such container: nosuch");
  expect_error("exec -t -i cc true </dev/null", "the input device is not a TTY");
}

TEST_P(ExecTest, StreamsArePassedOn) {
  const auto result = run_command("echo in | " + program() +
                                  " exec -i cc sh -c 'cat; echo e >&2' 2>" + dir_.path("err"));
  EXPECT_EQ(result.output, "in\n");
  EXPECT_EQ(read_file_at(dir_.fd(), "err", 100), "e\n");
  EXPECT_EQ(run_command("echo in | " + program() + " exec cc cat").output, "");
  EXPECT_EQ(run_command(program() + " exec cc sh -c 'yes x | head -c 1000000' | wc -c").output,
            "1000000\n");
  EXPECT_EQ(output("logs cc"), "") << "the container said nothing";
}

TEST_P(ExecTest, InTheBackgroundItGoesOn) {
  EXPECT_EQ(output("exec -d cc sh -c 'sleep 0.1; echo done > /opt/done; sleep 1000'"), "");
  await("exec cc sh -c 'grep -qs done /opt/done'");
}

TEST_P(ExecTest, InTheBackgroundItMayHaveATerminalThatNobodySees) {
  output(
      "exec -dit cc sh -c 'test -t 0 && test -t 1 && yes | head -c 300000; echo done > /opt/done'");
  await("exec cc sh -c 'grep -qs done /opt/done'");
}

TEST_P(ExecTest, AStoppedClientDoesNotKeepTheContainerFromEnding) {
  const auto result = run_command(
      program() + " exec cc sh -c 'echo > /opt/up; sleep 1000' & pid=$!; until " + program() +
      " exec cc cat /opt/up 2>&1; do sleep 0.05; done | tail -n 0; kill -STOP $pid; timeout 60 " +
      program() + " rm -f cc; echo removed $?; kill -CONT $pid; wait $pid; echo client $?");
  EXPECT_EQ(result.output, "cc\nremoved 0\nclient 137\n");
}

TEST_P(ExecTest, AStartThatIsFrozenEndsWithTheUsersSignal) {
  const std::string processes = "/sys/fs/cgroup/freezer/" + parent_ + "/" + id_ + "/cgroup.procs";
  if (::access(processes.c_str(), R_OK) != 0) GTEST_SKIP() << "needs the freezer of cgroup v1";
  ContainerStore store(images());
  const ContainerInfo info = store.find("cc");
  const auto state = store.state(info.id);
  ContainerExec exec;
  exec.process.args = {"touch", "/opt/ran"};
  exec.process.env = {"PATH=/bin"};
  exec.process.cwd = "/";
  exec.cgroups_path = cgroups_path_of(info);
  exec.init = state->init->pid;
  exec.init_pidfd = std::move(*open_process(*state->init));
  SignalReader signals;
  // Paused since somebody has looked whether it is.
  output("pause cc");
  run_command("(until [ $(wc -l < " + processes + ") -gt 1 ]; do sleep 0.05; done; kill -INT " +
              std::to_string(::getpid()) + ") >/dev/null 2>&1 &");
  StartFailure failure = StartFailure::Setup;
  layerkit::testing::expect_error(Errc::Interrupted, "interrupted", [&] {
    start_exec_session(std::move(exec), TerminalHolder::Caller, signals, failure, context_);
  });
  output("unpause cc");
  expect_error("exec cc cat /opt/ran", "No such file");
}

TEST_P(ExecTest, OnlyARunningContainerCanDoIt) {
  output("pause cc");
  expect_error("exec cc true", "container cc is paused, unpause the container before exec");
  output("unpause cc");
  output("kill cc");
  expect_error("exec cc true", "container cc is not running");
  expect_error("top cc", "container cc is not running");
  expect_error("attach cc", "You cannot attach to a stopped container, start it first: cc");
}

TEST_P(ExecTest, ItEndsWithTheContainer) {
  int code = 0;
  std::thread waiting([&] { code = tool("exec cc sh -c 'echo > /opt/up; sleep 1000'").exit_code; });
  await("exec cc cat /opt/up");
  output("kill cc");
  waiting.join();
  EXPECT_EQ(code, 137);
}

TEST_P(ExecTest, WaitGivesTheExitCode) {
  std::string said;
  std::thread waiting([&] { said = tool("wait cc").output; });
  output("exec cc true");
  output("kill cc");
  waiting.join();
  EXPECT_EQ(said, "137\n");
  EXPECT_EQ(output("wait cc"), "137");
  expect_error("wait nosuch", "No such container: nosuch");
}

TEST_P(ExecTest, AttachPassesEverythingOn) {
  run_output(
      "-d -i --name echo box sh -c 'while read x; do echo got $x; echo e$x >&2; "
      "test $x = end && exit 5; done'");
  const auto result =
      run_command("(echo two; echo end) | " + program() + " attach echo 2>" + dir_.path("err"));
  EXPECT_EQ(result.exit_code, 5);
  EXPECT_EQ(result.output, "got two\ngot end\n");
  EXPECT_EQ(read_file_at(dir_.fd(), "err", 1000), "etwo\neend\n");
  EXPECT_EQ(output("logs echo 2>/dev/null"), "got two\ngot end");
}

TEST_P(ExecTest, AReaderMayTakeItsTimeAtTheEnd) {
  run_output("-d --name much box sh -c 'test -e /opt/go || sleep 1; yes $(yes x | head -n 500)'");
  const std::string log_size = program() + " logs much | wc -c";
  // More than a pipe takes, so that some of it is on the way; then longer than somebody would wait
  // who has no reason to.
  const auto result =
      run_command("(" + program() + " attach much; echo $? > " + dir_.path("code") +
                  ") | (size=0; until [ $size -gt 100000 ] && [ $size = $(" + log_size +
                  ") ]; do size=$(" + log_size + "); sleep 0.5; done; " + program() +
                  " kill much >&2; sleep 12; test $(wc -c) -gt 100000 && echo all)");
  EXPECT_EQ(result.output, "much\nall\n");
  EXPECT_EQ(read_file_at(dir_.fd(), "code", 100), "137\n");
}

TEST_P(ExecTest, AttachHearsThatTheMonitorIsGone) {
  const auto state = nlohmann::json::parse(
      read_file_at(AT_FDCWD, dir_.path("images/containers/" + id_ + "/state.json"), 1 << 20));
  CommandResult result;
  std::thread attached([&] { result = tool("attach cc"); });
  run_command("sleep 0.5");  // early or late, it says so
  kill_and_await(state.at("monitor").at("pid").get<pid_t>());
  attached.join();
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_NE(result.output.find("the process that watche"), std::string::npos) << result.output;
  expect_error("attach cc", "the process that watches it is gone");
}

TEST_P(ExecTest, TopListsItsProcesses) {
  const std::string pid = std::to_string(inspect("cc")["State"]["Pid"].get<pid_t>());
  EXPECT_TRUE(output("top cc").starts_with("UID ")) << output("top cc");
  EXPECT_NE(output("top cc").find("sleep 1000"), std::string::npos);
  const std::string table = output("top cc -o pid,args");
  EXPECT_TRUE(table.starts_with("PID ")) << table;
  EXPECT_NE(table.find(pid), std::string::npos) << table;
  EXPECT_EQ(output("top cc comm"), "COMMAND\nsleep");
  expect_error("top cc -o nosuch", "'nosuch' is not the name of a column");
}

TEST_P(ExecTest, StatsShowsWhatIsUsed) {
  const std::string table = output("stats --no-stream");
  EXPECT_TRUE(table.starts_with("CONTAINER ID ")) << table;
  const auto row = nlohmann::json::parse(output("stats --no-stream --format json cc"));
  EXPECT_EQ(row["Name"], "cc");
  EXPECT_TRUE(row["CPUPerc"].get<std::string>().ends_with("%"));
  EXPECT_NE(row["MemUsage"].get<std::string>().find(" / "), std::string::npos);
  EXPECT_EQ(row["PIDs"], "1");
  output("kill cc");
  EXPECT_EQ(output("stats --no-stream -a --format '{{.Name}} {{.CPUPerc}} {{.PIDs}}'"), "cc -- --");
  EXPECT_EQ(output("stats --no-stream --format '{{.Name}}'"), "");
  expect_error("stats --no-stream nosuch", "No such container: nosuch");
}

TEST_P(ExecTest, StatsGoesOnWithoutAContainerThatIsRemoved) {
  const std::string shown = dir_.path("shown");
  const auto result =
      run_command(program() + " stats --format '{{.Name}} {{.PIDs}}' cc > " + shown +
                  " & pid=$!; "
                  "until grep -q 'cc 1' " +
                  shown + "; do sleep 0.05; done; " + program() +
                  " rm -f cc; "
                  "until grep -qe 'cc --' " +
                  shown +
                  "; do kill -0 $pid || exit 3; sleep 0.05; done; "
                  "kill -INT $pid; wait $pid; exit 0");
  EXPECT_EQ(result.exit_code, 0) << result.output;
}

TEST_P(ExecTest, PortNamesWhatIsPublished) {
  EXPECT_EQ(output("port cc"), "");
  expect_error("port cc 80", "no public port '80/tcp' published for cc");
}

INSTANTIATE_TEST_SUITE_P(Backends, ExecTest, kMountChoices, name_of);

}  // namespace
}  // namespace layerkit::testing
