#include <thread>

#include "container_fixture.h"

namespace layerkit::testing {
namespace {

class LifecycleTest : public ContainerTest {
 protected:
  std::string start(const std::string& name, const std::string& command = "sleep 1000") {
    return run_output("-d --name " + name + " box " + command);
  }
  std::string status(const std::string& name) {
    return output("ps -a -f name=" + name + " --format '{{.Status}}'");
  }
  pid_t monitor_of(const std::string& id) {
    const auto state = nlohmann::json::parse(
        read_file_at(AT_FDCWD, dir_.path("images/containers/" + id + "/state.json"), 1 << 20));
    return state.at("monitor").at("pid").get<pid_t>();
  }
};

TEST_P(LifecycleTest, ABackgroundContainerRunsUntilItIsStopped) {
  const std::string id = start("one", "sh -c 'echo out; echo err >&2; sleep 1000'");
  EXPECT_EQ(id.size(), 64U);
  EXPECT_EQ(output("ps -q"), id.substr(0, 12));
  EXPECT_TRUE(status("one").starts_with("Up ")) << status("one");
  EXPECT_EQ(tool("rm one").exit_code, 1);
  EXPECT_EQ(output("stop -t 0 one"), "one");
  EXPECT_TRUE(status("one").starts_with("Exited (137) ")) << status("one");
  EXPECT_EQ(output("ps -q"), "");
  EXPECT_EQ(output("logs one 2>/dev/null"), "out");
  EXPECT_EQ(output("logs one 2>&1 >/dev/null"), "err");
  EXPECT_EQ(output("stop " + id.substr(0, 8)), id.substr(0, 8));
  EXPECT_EQ(output("rm one"), "one");
  EXPECT_EQ(leftovers(), "");
}

TEST_P(LifecycleTest, StopSendsTheStopSignalFirst) {
  run_output(
      "-d --name two --stop-signal USR1 box sh -c "
      "'trap \"echo bye; exit 3\" USR1; echo up; while :; do sleep 0.05; done'");
  await("logs two | grep -q up");
  output("stop two");
  EXPECT_EQ(inspect("two")["State"]["ExitCode"], 3);
  EXPECT_EQ(output("logs -n 1 two"), "bye");
}

TEST_P(LifecycleTest, KillSendsSignalsByAnyName) {
  start("three");
  EXPECT_EQ(tool("kill -s NOPE three").exit_code, 1);
  EXPECT_EQ(output("kill -s sigkill three"), "three");
  EXPECT_EQ(inspect("three")["State"]["ExitCode"], 137);
  const auto again = tool("kill three");
  EXPECT_EQ(again.exit_code, 1);
  EXPECT_NE(again.output.find("is not running"), std::string::npos) << again.output;
}

TEST_P(LifecycleTest, SeveralNamesGoOnAfterAnError) {
  start("a1");
  start("a2");
  const auto result = tool("rm -f a1 nosuch a2");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_NE(result.output.find("a1\nimagetool: No such container: nosuch\na2\n"), std::string::npos)
      << result.output;
  expect_soon_nothing_left();
}

TEST_P(LifecycleTest, NamesAreUnique) {
  const std::string id = start("same");
  expect("-d --name same box true", 125, "already in use by container " + id);
  EXPECT_EQ(output("ps -aq --no-trunc"), id);
}

TEST_P(LifecycleTest, ContainersOfRmLeaveNothing) {
  const std::string id = start("keep");
  run_output("-d --rm --name gone box sleep 1000");
  output("kill gone");
  await("ps -aq -f name=gone | { ! grep -q .; }");
  EXPECT_EQ(output("ps -aq --no-trunc"), id);
  output("rm -f keep");
  expect_soon_nothing_left();
}

TEST_P(LifecycleTest, TheTruthIsToldAfterTheMonitorDied) {
  const std::string id = start("lost");
  kill_and_await(monitor_of(id));
  EXPECT_TRUE(status("lost").starts_with("Up ")) << status("lost");
  kill_and_await(inspect("lost")["State"]["Pid"].get<pid_t>());
  EXPECT_TRUE(status("lost").starts_with("Exited (255)")) << status("lost");
  EXPECT_EQ(output("rm lost"), "lost");
  EXPECT_EQ(leftovers(), "");
}

TEST_P(LifecycleTest, AContainerWhoseServerWasKilledEnds) {
  if (!is_fuse()) GTEST_SKIP() << "the kernel needs no server";
  start("cc", "sh -c 'echo kept > /opt/version; sleep 1000'");
  await("diff cc | grep -q version");
  ASSERT_EQ(own_unions().size(), 1U);
  kill_and_await(own_unions().front().pid);
  await("ps -a --format '{{.Status}}' | grep -q 'Exited (137)'");
  EXPECT_EQ(output("diff cc"), "C /opt\nC /opt/version");
  EXPECT_EQ(output("check --deep"), "No findings.");
  output("commit cc out");
  EXPECT_EQ(run_output("--rm out cat /opt/version"), "kept");
  output("rm cc");
  EXPECT_EQ(leftovers(), "");
}

TEST_P(LifecycleTest, WhoeverWaitsForAContainerHearsThatItsServerWasKilled) {
  if (!is_fuse()) GTEST_SKIP() << "the kernel needs no server";
  std::string said;
  std::thread waiting([&] {
    said =
        run_command(program() + " " + run_command_line() +
                    "--rm box sh -c 'echo up; sleep 1000' 2>&1 > " + dir_.path("out") + "; echo $?")
            .output;
  });
  run_command("for i in $(seq 600); do grep -qs up " + dir_.path("out") +
              " && break; sleep 0.05; done");
  for (const UnionInfo& served : own_unions())
    kill_and_await(served.pid);
  waiting.join();
  EXPECT_EQ(said,
            "imagetool: warning: the server of the container's root has ended: the container is "
            "killed\n137\n");
  EXPECT_EQ(leftovers(), "");
}

TEST_P(LifecycleTest, AContainerWithoutMonitorCanStillBeRemoved) {
  const std::string id = run_output("-d --rm box sleep 1000");
  kill_and_await(monitor_of(id));
  EXPECT_EQ(tool("rm -f " + id).exit_code, 0);
  EXPECT_EQ(leftovers(), "");
}

TEST_P(LifecycleTest, AnAutomaticallyRemovedOneGoesWithTheNextLook) {
  const std::string id = run_output("-d --rm box sleep 1000");
  const pid_t init = inspect(id)["State"]["Pid"].get<pid_t>();
  kill_and_await(monitor_of(id));
  kill_and_await(init);
  EXPECT_EQ(output("ps -aq"), "");
  expect_soon_nothing_left();
}

TEST_P(LifecycleTest, ARestartOfTheMachineEndsAllContainers) {
  const std::string id = start("old");
  const std::string file = dir_.path("images/containers/" + id + "/state.json");
  std::string state = read_file_at(AT_FDCWD, file, 1 << 20);
  const auto key = state.find("boot_id");
  ASSERT_NE(key, std::string::npos);
  auto json = nlohmann::json::parse(state);
  const pid_t init = json["init"]["pid"].get<pid_t>();
  kill_and_await(json["monitor"]["pid"].get<pid_t>());
  json["init"]["boot_id"] = json["monitor"]["boot_id"] = "another-boot";
  write_file_at(AT_FDCWD, file, json.dump(), 0600);
  EXPECT_TRUE(status("old").starts_with("Exited (255)")) << status("old");
  EXPECT_FALSE(identify_process(init)) << "the cgroup was cleaned with what was in it";
}

TEST_P(LifecycleTest, AMountedContainerOfRmGoesToo) {
  run_output("-d --rm --name mounted box sleep 1000");
  output("mount mounted");
  output("kill mounted");
  await("ps -aq -f name=mounted | { ! grep -q .; }");
  expect_soon_nothing_left();
}

TEST_P(LifecycleTest, LogsFollowUntilTheEnd) {
  start("talk", "sh -c 'echo a; sleep 0.2; echo b'");
  EXPECT_EQ(output("logs -f talk"), "a\nb");
  const std::string stamped = output("logs -t -n 1 talk");
  EXPECT_EQ(stamped.substr(stamped.size() - 3), "Z b") << stamped;
  EXPECT_EQ(output("logs -n 0 talk"), "");
  EXPECT_EQ(output("logs --since 0 talk"), "a\nb");
}

TEST_P(LifecycleTest, PsFiltersAndFormats) {
  start("p1");
  run_output("--name p2 box true");
  EXPECT_EQ(output("ps --format '{{.Names}} {{.Image}} {{.State}}'"), "p1 box running");
  EXPECT_EQ(output("ps -f status=exited --format '{{.Names}}'"), "p2");
  EXPECT_EQ(output("ps -a -f ancestor=box --format '{{.Names}}'"), "p2\np1");
  EXPECT_EQ(output("ps -l --format '{{.Names}} {{.Command}}'"), "p2 \"true\"");
  EXPECT_EQ(output("ps -n 1 --format '{{.Names}}'"), "p2");
  const auto table = output("ps");
  EXPECT_TRUE(table.starts_with("CONTAINER ID   IMAGE ")) << table;
}

TEST_P(LifecycleTest, InspectHasDockersKeys) {
  run_output("-d --name i1 -m 30m -e A=1 -v /tmp:/mnt:ro box sleep 1000");
  const auto json = inspect("i1");
  EXPECT_EQ(json["Name"], "/i1");
  EXPECT_EQ(json["Path"], "sleep");
  EXPECT_EQ(json["State"]["Running"], true);
  EXPECT_EQ(json["HostConfig"]["Memory"], 30 << 20);
  EXPECT_EQ(json["Mounts"][0]["RW"], false);
  EXPECT_EQ(json["Config"]["Image"], "box");
  EXPECT_EQ(json["MountBackend"], GetParam().backend);
  const auto directories = json["GraphDriver"]["Data"];
  EXPECT_EQ(directories.is_null(), is_aufs());
  if (is_aufs()) return;
  EXPECT_TRUE(std::filesystem::is_directory(directories["UpperDir"].get<std::string>()));
}

TEST_P(LifecycleTest, AnImageInUseIsNotRemoved) {
  start("user");
  const auto refused = tool("rmi box");
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_NE(refused.output.find("user"), std::string::npos) << refused.output;
  output("rm -f user");
  EXPECT_EQ(tool("rmi box").exit_code, 0);
}

INSTANTIATE_TEST_SUITE_P(Backends, LifecycleTest, kMountChoices, name_of);

}  // namespace
}  // namespace layerkit::testing
