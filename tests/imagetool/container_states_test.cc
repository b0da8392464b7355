#include "container_fixture.h"

namespace layerkit::testing {
namespace {

/// What becomes of a container between being made and being removed.
class StatesTest : public ContainerTest {
 protected:
  std::string create(const std::string& arguments) {
    return output("create --cgroup-parent " + parent_ + " " + backend_option() + arguments);
  }
  std::string status(const std::string& name) {
    return output("ps -a -f name=" + name + " --format '{{.Status}}'");
  }
  nlohmann::json state_file(const std::string& id) {
    return nlohmann::json::parse(
        read_file_at(AT_FDCWD, dir_.path("images/containers/" + id + "/state.json"), 1 << 20));
  }
  void write_state_file(const std::string& id, const nlohmann::json& state) {
    write_file_at(AT_FDCWD, dir_.path("images/containers/" + id + "/state.json"), state.dump(),
                  0600);
  }
  pid_t init_of(const std::string& name) { return inspect(name)["State"]["Pid"].get<pid_t>(); }
  void expect_error(const std::string& arguments, const std::string& text, int exit_code = 1) {
    const CommandResult result = tool(arguments);
    EXPECT_EQ(result.exit_code, exit_code) << arguments << "\n" << result.output;
    EXPECT_NE(result.output.find(text), std::string::npos) << arguments << "\n" << result.output;
  }
};

TEST_P(StatesTest, ACreatedContainerWaitsUntilItIsStarted) {
  const std::string id = create("--name cc box sh -c 'echo up; sleep 1000'");
  EXPECT_EQ(id.size(), 64U);
  EXPECT_EQ(status("cc"), "Created");
  EXPECT_EQ(output("ps -q"), "");
  EXPECT_EQ(inspect("cc")["State"]["Running"], false);
  EXPECT_EQ(output("start cc"), "cc");
  await("logs cc | grep -q up");
  EXPECT_TRUE(status("cc").starts_with("Up ")) << status("cc");
  EXPECT_EQ(output("start cc"), "cc") << "it runs already";
  output("rm -f cc");
  EXPECT_EQ(leftovers(), "");
}

TEST_P(StatesTest, ACreatedContainerOfRmStaysUntilItHasRun) {
  create("--rm --name cc box true");
  EXPECT_EQ(status("cc"), "Created");
  EXPECT_EQ(status("cc"), "Created") << "the first look must not take it away";
  output("start cc");
  await("ps -aq -f name=cc | { ! grep -q .; }");
  expect_soon_nothing_left();
}

TEST_P(StatesTest, CreateWritesItsIdAndRefusesWhatRunRefuses) {
  const std::string id = create("--cidfile " + dir_.path("cid") + " box true");
  EXPECT_EQ(read_file_at(dir_.fd(), "cid", 100), id);
  expect_error("create --cidfile " + dir_.path("cid") + " box true", "File exists");
  expect_error("create nosuch", "nosuch");
  expect_error("create -d box", "-d", 2);
}

TEST_P(StatesTest, WhatAContainerWroteIsThereWhenItIsStartedAgain) {
  create(
      "--name cc -v /data box sh -c 'echo x >> /count; echo y >> /data/count; "
      "cat /count /data/count' ");
  output("start -a cc 2>&1 >/dev/null");
  EXPECT_EQ(output("start -a cc"), "x\nx\ny\ny");
  EXPECT_EQ(output("logs cc"), "x\ny\nx\nx\ny\ny");
}

TEST_P(StatesTest, StartAttachedPassesOutputInputAndExitCodeOn) {
  create("-i --name cc box sh -c 'cat; echo err >&2; exit 7'");
  const auto result =
      run_command("echo in | " + program() + " start -a -i cc 2>" + dir_.path("err"));
  EXPECT_EQ(result.exit_code, 7);
  EXPECT_EQ(result.output, "in\n");
  EXPECT_EQ(read_file_at(dir_.fd(), "err", 100), "err\n");
  expect_error("start -a cc cc", "multiple containers");
}

TEST_P(StatesTest, AContainerThatCannotStartStaysWithAnExitCode) {
  create("--name cc box /nosuch");
  expect_error("start cc", "starting container cc: ");
  EXPECT_EQ(status("cc"), "Created");
  EXPECT_EQ(inspect("cc")["State"]["ExitCode"], 127);
  expect_error("start cc nosuch", "No such container: nosuch");
  EXPECT_EQ(output("rm cc"), "cc");
  EXPECT_EQ(leftovers(), "");
}

TEST_P(StatesTest, WhoeverStartsAContainerIsAlone) {
  const std::string id = create("--name cc box true");
  auto state = state_file(id);
  const auto self = own_identity();
  state["claimed_by"] = {
      {"pid", self.pid}, {"start_time", self.start_time}, {"boot_id", self.boot_id}};
  write_state_file(id, state);
  const std::string reason = "process " + std::to_string(self.pid) + " is starting or removing it";
  expect_error("start cc", reason);
  expect_error("restart cc", reason);
  expect_error("rm cc", reason);
  expect_error("mount cc", reason);
  state["claimed_by"]["start_time"] = self.start_time + 1;
  write_state_file(id, state);
  EXPECT_EQ(output("start -a cc"), "") << "who had claimed it died";
}

TEST_P(StatesTest, AMountedContainerIsNotStarted) {
  create("--name cc box true");
  output("mount cc");
  expect_error("start cc", "it is mounted at ");
  output("unmount cc");
  EXPECT_EQ(output("start cc"), "cc");
}

TEST_P(StatesTest, WhatWasHalfMadeIsNotStarted) {
  const std::string id = create("--name cc box true");
  auto state = state_file(id);
  state["monitor"] = {{"pid", 1}, {"start_time", 1}, {"boot_id", "another-boot"}};
  write_state_file(id, state);
  expect_error("start cc", "whoever made it ended before it was complete");
  EXPECT_EQ(output("rm cc"), "cc");
  EXPECT_EQ(leftovers(), "");
}

TEST_P(StatesTest, RestartEndsAndStartsIt) {
  run_output("-d --name cc box sleep 1000");
  const pid_t before = init_of("cc");
  EXPECT_EQ(output("restart -t 0 cc"), "cc");
  const pid_t after = init_of("cc");
  EXPECT_NE(before, after);
  EXPECT_FALSE(identify_process(before));
  output("kill cc");
  EXPECT_EQ(output("restart cc"), "cc") << "a stopped one is started";
  EXPECT_TRUE(status("cc").starts_with("Up ")) << status("cc");
}

TEST_P(StatesTest, AContainerOfRmSurvivesItsRestart) {
  const std::string id = run_output("-d --rm --name cc box sleep 1000");
  EXPECT_EQ(output("restart -t 0 cc"), "cc");
  EXPECT_EQ(inspect("cc")["Id"], id);
  EXPECT_TRUE(status("cc").starts_with("Up ")) << status("cc");
  output("kill cc");
  await("ps -aq -f name=cc | { ! grep -q .; }");
  expect_soon_nothing_left();
}

TEST_P(StatesTest, AfterACrashAContainerCanBeStartedAgain) {
  const std::string id = run_output("-d --name cc box sleep 1000");
  const pid_t init = init_of("cc");
  kill_and_await(state_file(id)["monitor"]["pid"].get<pid_t>());
  kill_and_await(init);
  EXPECT_EQ(output("start cc"), "cc");
  EXPECT_TRUE(status("cc").starts_with("Up ")) << status("cc");
}

TEST_P(StatesTest, APausedContainerStandsStill) {
  run_output("-d --name cc box sh -c 'while :; do echo x; sleep 0.02; done'");
  EXPECT_EQ(output("pause cc"), "cc");
  EXPECT_TRUE(status("cc").ends_with(" (Paused)")) << status("cc");
  EXPECT_EQ(output("ps -f status=paused --format '{{.Names}} {{.State}}'"), "cc paused");
  EXPECT_EQ(output("ps -q -f status=running"), "");
  EXPECT_EQ(inspect("cc")["State"]["Paused"], true);
  EXPECT_EQ(inspect("cc")["State"]["Running"], true);
  expect_error("pause cc", "it is already paused");
  EXPECT_EQ(output("unpause cc"), "cc");
  EXPECT_EQ(inspect("cc")["State"]["Status"], "running");
  expect_error("unpause cc", "it is not paused");
  output("kill cc");
  expect_error("pause cc", "it is not running");
}

TEST_P(StatesTest, WhatEndsAContainerEndsAPausedOneToo) {
  run_output("-d --name stopped box sh -c 'trap \"exit 3\" TERM; while :; do sleep 0.02; done'");
  run_output("-d --name killed box sleep 1000");
  run_output("-d --name removed box sleep 1000");
  output("pause stopped killed removed");
  EXPECT_EQ(output("stop -t 60 stopped"), "stopped");
  EXPECT_EQ(inspect("stopped")["State"]["ExitCode"], 3);
  EXPECT_EQ(output("kill killed"), "killed");
  EXPECT_EQ(output("rm -f removed"), "removed");
}

TEST_P(StatesTest, APausedContainerIsRememberedWithoutItsMonitor) {
  const std::string id = run_output("-d --name cc box sleep 1000");
  output("pause cc");
  kill_and_await(state_file(id)["monitor"]["pid"].get<pid_t>());
  EXPECT_TRUE(status("cc").ends_with(" (Paused)")) << status("cc");
  EXPECT_EQ(output("rm -f cc"), "cc");
  EXPECT_EQ(leftovers(), "");
}

TEST_P(StatesTest, CommitPausesARunningContainerAndLetsItGoOn) {
  run_output("-d --name cc box sh -c 'while :; do echo x >> /grows; sleep 0.01; done'");
  await("diff cc | grep -q grows");
  for (int i = 0; i < 3; ++i)
    output("commit cc grown");
  EXPECT_EQ(inspect("cc")["State"]["Paused"], false);
  output("pause cc");
  output("commit cc grown");
  EXPECT_EQ(inspect("cc")["State"]["Paused"], true) << "who paused it before wants it so";
  output("unpause cc");
  output("commit --pause=false $(" + program() + " create box true) other");
}

TEST_P(StatesTest, RenameGivesAnotherName) {
  const std::string id = run_output("-d --name before box sleep 1000");
  EXPECT_EQ(output("rename before after"), "");
  EXPECT_EQ(inspect("after")["Id"], id);
  expect_error("inspect --type container before", "No such container: before");
  expect_error("rename after after", "the same name as its current name");
  create("--name other box true");
  expect_error("rename after other", "already in use by container ");
  expect_error("rename after 'a/b'", "a/b");
  EXPECT_EQ(output("stop -t 0 after"), "after");
}

INSTANTIATE_TEST_SUITE_P(Backends, StatesTest, kMountChoices, name_of);

}  // namespace
}  // namespace layerkit::testing
