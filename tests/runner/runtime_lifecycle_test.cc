#include "runtime_fixture.h"

namespace layerkit::testing {
namespace {

using RuntimeLifecycleTest = RuntimeTest;

TEST_F(RuntimeLifecycleTest, AContainerIsCreatedRunsStopsAndIsRemoved) {
  Json config = script("echo ran > /tmp/mark");
  config["annotations"]["who"] = "me";
  const auto process = create(config);
  const ContainerState created = runtime().state(id());
  EXPECT_EQ(created.status, ContainerStatus::Created);
  EXPECT_EQ(created.pid, process->pid());
  EXPECT_EQ(created.id, id());
  EXPECT_EQ(created.oci_version, "1.2.0");
  EXPECT_EQ(created.bundle, path("bundle-" + id()));
  EXPECT_EQ(created.rootfs, rootfs().path());
  EXPECT_EQ(created.annotations.at("who"), "me");
  EXPECT_FALSE(std::filesystem::exists(rootfs().path("tmp/mark")));

  runtime().start(id(), context());
  EXPECT_EQ(process->wait().code, 0);
  EXPECT_TRUE(std::filesystem::exists(rootfs().path("tmp/mark")));
  const ContainerState stopped = runtime().state(id());
  EXPECT_EQ(stopped.status, ContainerStatus::Stopped);
  EXPECT_EQ(stopped.pid, 0);

  runtime().remove(id(), false, context());
  EXPECT_TRUE(is_gone(id()));
  expect_error(Errc::NotFound, "does not exist", [&] { runtime().state(id()); });
}

TEST_F(RuntimeLifecycleTest, ARunningOneIsListedAndPausedAndKilled) {
  const auto process = start(idle());
  EXPECT_EQ(status(), ContainerStatus::Running);
  ASSERT_EQ(runtime().list(context()).size(), 1U);
  EXPECT_EQ(runtime().list(context()).front().id, id());
  EXPECT_EQ(runtime().processes(id()), std::vector<pid_t>{process->pid()});
  runtime().pause(id(), context());
  EXPECT_EQ(status(), ContainerStatus::Paused);
  expect_error(Errc::Invalid, "is paused", [&] { runtime().pause(id(), context()); });
  runtime().resume(id(), context());
  EXPECT_EQ(status(), ContainerStatus::Running);
  expect_error(Errc::Invalid, "container not paused", [&] { runtime().resume(id(), context()); });
  runtime().kill(id(), SIGKILL, false);
  EXPECT_EQ(process->wait().signal, SIGKILL);
  EXPECT_EQ(status(), ContainerStatus::Stopped);
}

TEST_F(RuntimeLifecycleTest, APausedOneCanBeKilled) {
  const auto process = start(idle());
  runtime().pause(id(), context());
  runtime().kill(id(), SIGKILL, false);
  EXPECT_EQ(process->wait().signal, SIGKILL);
}

TEST_F(RuntimeLifecycleTest, APausedOneCanBeRemovedByForce) {
  start(idle());
  runtime().pause(id(), context());
  expect_error(Errc::Busy, "that is not stopped: paused",
               [&] { runtime().remove(id(), false, context()); });
  runtime().remove(id(), true, context());
  EXPECT_TRUE(is_gone(id()));
}

TEST_F(RuntimeLifecycleTest, SignalsReachTheFirstProcess) {
  const auto process =
      start(script("trap 'exit 7' TERM; echo > /tmp/trapped; while :; do sleep 1 & wait $!; done"));
  while (!std::filesystem::exists(rootfs().path("tmp/trapped"))) {
  }
  runtime().kill(id(), SIGTERM, false);
  EXPECT_EQ(process->wait().code, 7);
}

TEST_F(RuntimeLifecycleTest, KillingAllReachesProcessesWithoutAPidNamespace) {
  Json config = script("sleep 1000000 & echo $! > /tmp/pid; exit 0");
  drop_namespace(config, "pid");
  const auto process = start(config);
  EXPECT_EQ(process->wait().code, 0);
  EXPECT_EQ(runtime().processes(id()).size(), 1U);
  runtime().kill(id(), SIGKILL, true);
  const pid_t orphan = std::stoi(read_text(rootfs().path("tmp/pid")));
  EXPECT_EQ(exit_code_of(orphan), 128 + SIGKILL);
  runtime().remove(id(), false, context());
}

TEST_F(RuntimeLifecycleTest, KillingItEndsAllItsProcessesWithoutAPidNamespace) {
  for (const bool has_first : {true, false}) {
    Json config = script("sleep 1000000 & echo $! > /tmp/pid; echo > /tmp/written; " +
                         std::string(has_first ? "exec sleep 1000000" : "exit 0"));
    drop_namespace(config, "pid");
    const auto process = start(config);
    if (!has_first) {
      EXPECT_EQ(process->wait().code, 0);
    }
    while (!std::filesystem::exists(rootfs().path("tmp/written"))) {
    }
    EXPECT_EQ(runtime().processes(id()).size(), has_first ? 2U : 1U);
    runtime().kill(id(), SIGKILL, false);
    if (has_first) {
      EXPECT_EQ(process->wait().signal, SIGKILL);
    }
    EXPECT_EQ(exit_code_of(std::stoi(read_text(rootfs().path("tmp/pid")))), 128 + SIGKILL);
    expect_error(Errc::NotFound, "container not running: '" + id() + "'",
                 [&] { runtime().kill(id(), SIGKILL, false); });
    runtime().remove(id(), false, context());
  }
}

TEST_F(RuntimeLifecycleTest, StartingTwiceIsRefused) {
  const auto process = start(idle());
  expect_error(Errc::Invalid, "cannot start an already running container: '" + id() + "'",
               [&] { runtime().start(id(), context()); });
  EXPECT_EQ(status(), ContainerStatus::Running);
  runtime().kill(id(), SIGKILL, false);
  process->wait();
  expect_error(Errc::Invalid, "cannot start a container that has stopped: '" + id() + "'",
               [&] { runtime().start(id(), context()); });
}

TEST_F(RuntimeLifecycleTest, ARunningOneIsNotRemovedWithoutForce) {
  start(idle());
  expect_error(Errc::Busy, "cannot delete container '" + id() + "' that is not stopped: running",
               [&] { runtime().remove(id(), false, context()); });
  EXPECT_EQ(status(), ContainerStatus::Running);
  runtime().remove(id(), true, context());
  EXPECT_TRUE(is_gone(id()));
}

TEST_F(RuntimeLifecycleTest, ACreatedOneIsRemovedWithItsProcess) {
  const auto process = create(script("echo ran > /tmp/mark"));
  runtime().remove(id(), false, context());
  EXPECT_EQ(process->wait().signal, SIGKILL);
  EXPECT_FALSE(std::filesystem::exists(rootfs().path("tmp/mark")));
  EXPECT_TRUE(is_gone(id()));
}

TEST_F(RuntimeLifecycleTest, AnIdIsGivenOnce) {
  start(idle());
  expect_error(Errc::Exists, "container with given ID already exists: '" + id() + "'",
               [&] { create(request_of(idle())); });
  // The first one is as it was.
  EXPECT_EQ(status(), ContainerStatus::Running);
}

TEST_F(RuntimeLifecycleTest, WhatDoesNotExistIsSaid) {
  const std::string message = "container 'nobody' does not exist";
  for (const bool has_root : {false, true}) {
    if (has_root) make_dirs(path("states"), 0700);
    expect_error(Errc::NotFound, message, [&] { runtime().state("nobody"); });
    expect_error(Errc::NotFound, message, [&] { runtime().start("nobody", context()); });
    expect_error(Errc::NotFound, message, [&] { runtime().kill("nobody", SIGKILL, false); });
    expect_error(Errc::NotFound, message, [&] { runtime().pause("nobody", context()); });
    expect_error(Errc::NotFound, message, [&] { runtime().processes("nobody"); });
    expect_error(Errc::NotFound, message, [&] { runtime().remove("nobody", false, context()); });
    runtime().remove("nobody", true, context());
  }
  EXPECT_TRUE(runtime().list(context()).empty());
}

/// Only names of the test's own: were one taken for a path, that would be removed.
TEST_F(RuntimeLifecycleTest, AnIdIsNoPath) {
  make_dirs(path("victim"), 0700);
  write_text(path("victim/state.json"), "{}");
  const std::vector<std::string> all = {
      "", ".", "..", "../victim", "a/b", path("victim"), "a b", "a\n", std::string("a\0b", 3)};
  for (const std::string& bad : all) {
    CreateRequest request = request_of(idle());
    request.id = bad;
    expect_error(Errc::Invalid, "", [&] { create(std::move(request)); });
    expect_error(Errc::Invalid, "", [&] { runtime().state(bad); });
    expect_error(Errc::Invalid, "", [&] { runtime().remove(bad, true, context()); });
    expect_error(Errc::Invalid, "", [&] { runtime().kill(bad, SIGKILL, true); });
    expect_error(Errc::Invalid, "", [&] { runtime().process_of(bad); });
  }
  EXPECT_TRUE(std::filesystem::exists(path("victim/state.json")));
}

TEST_F(RuntimeLifecycleTest, AStateThatIsASymlinkIsNoContainer) {
  make_dirs(path("victim"), 0700);
  write_text(path("victim/state.json"), "{}");
  make_dirs(path("states"), 0700);
  make_symlink_at(path("victim"), AT_FDCWD, path("states/" + id()));
  EXPECT_THROW(runtime().state(id()), Error);
  EXPECT_THROW(runtime().remove(id(), true, context()), Error);
  EXPECT_TRUE(std::filesystem::exists(path("victim/state.json")));
  EXPECT_TRUE(unlink_at(AT_FDCWD, path("states/" + id())));
}

TEST_F(RuntimeLifecycleTest, ABundleThatIsWrongLeavesNothing) {
  CreateRequest request = request_of(idle());
  request.bundle = path("nowhere");
  EXPECT_EQ(refusal_of(std::move(request)),
            "opening '" + path("nowhere") + "': No such file or directory");
  Json config = idle();
  config["root"]["path"] = "nowhere";
  EXPECT_NE(refusal_of(config).find("/nowhere': No such file or directory"), std::string::npos);
  config = idle();
  config["process"]["args"] = std::vector<std::string>{"absent"};
  EXPECT_EQ(refusal_of(config), "executing 'absent': executable file not found in $PATH");
}

TEST_F(RuntimeLifecycleTest, ADirectoryWithoutAStateIsRemovedByForce) {
  make_dirs(path("states/" + id()), 0700);
  expect_error(Errc::NotFound, "does not exist", [&] { runtime().state(id()); });
  EXPECT_TRUE(runtime().list(context()).empty());
  EXPECT_TRUE(warnings().empty());
  expect_error(Errc::NotFound, "does not exist", [&] { runtime().remove(id(), false, context()); });
  runtime().remove(id(), true, context());
  EXPECT_TRUE(is_gone(id()));
}

TEST_F(RuntimeLifecycleTest, AStateThatIsBrokenIsToldAndRemovedByForce) {
  make_dirs(path("states/" + id()), 0700);
  write_text(state_path("state.json"), "{\"id\": 7}");
  EXPECT_TRUE(runtime().list(context()).empty());
  ASSERT_EQ(warnings().size(), 1U);
  EXPECT_NE(warnings().front().find(id()), std::string::npos) << warnings().front();
  runtime().remove(id(), true, context());
  EXPECT_TRUE(is_gone(id()));
}

TEST_F(RuntimeLifecycleTest, WhoeverCreatesItMayDieOnTheWay) {
  Json config = idle();
  Json& hook = config["hooks"]["createRuntime"][0];
  hook["path"] = "/bin/sh";
  hook["args"] = std::vector<std::string>{"sh", "-c", "kill -KILL $PPID"};
  const pid_t creator = fork_to([&] {
    create(config);
    return 0;
  });
  EXPECT_EQ(exit_code_of(creator), 128 + SIGKILL);
  // The process that it had made went with it: it is ours now, if it has not been reaped.
  while (::waitpid(-1, nullptr, 0) > 0) {
  }
  EXPECT_EQ(status(), ContainerStatus::Stopped);
  runtime().remove(id(), true, context());
  EXPECT_TRUE(is_gone(id()));
}

TEST_F(RuntimeLifecycleTest, OfTwoThatRemoveItAtOnceOneIsTold) {
  for (int round = 0; round < 20; ++round) {
    const std::string name = unique_id();
    create(request_of(idle(), name));
    int gate[2];
    ASSERT_EQ(::pipe2(gate, O_CLOEXEC), 0);  // NOLINT: the test's own
    pid_t removers[2];
    for (pid_t& remover : removers) {
      remover = fork_to([&] {
        char byte = 0;
        ::close(gate[1]);
        (void)!::read(gate[0], &byte, 1);
        try {
          runtime().remove(name, false, Context{});
        } catch (const Error& error) {
          return error.code() == Errc::NotFound ? 1 : 2;
        }
        return 0;
      });
    }
    ::close(gate[0]);
    ::close(gate[1]);
    const int sum = exit_code_of(removers[0]) + exit_code_of(removers[1]);
    ASSERT_EQ(sum, 1);
    ASSERT_TRUE(is_gone(name));
  }
}

/// A state that names a living process which started at another time.
TEST_F(RuntimeLifecycleTest, APidThatBelongsToSomebodyElseIsLeftAlone) {
  const auto process = start(idle());
  runtime().kill(id(), SIGKILL, false);
  process->wait();
  const pid_t stranger = fork_to([] { return ::pause(); });
  Json record = Json::parse(read_text(state_path("state.json")));
  record["pid"] = stranger;
  record["startTime"] = record["startTime"].get<std::uint64_t>() - 1;
  rewrite_text(state_path("state.json"), record.dump());
  EXPECT_EQ(status(), ContainerStatus::Stopped);
  expect_error(Errc::NotFound, "container not running",
               [&] { runtime().kill(id(), SIGKILL, false); });
  expect_error(Errc::NotFound, "cannot exec in a stopped container",
               [&] { exec(exec_script("true")); });
  runtime().remove(id(), true, context());
  EXPECT_EQ(::waitpid(stranger, nullptr, WNOHANG), 0);  // it lives
  ::kill(stranger, SIGKILL);
  EXPECT_EQ(exit_code_of(stranger), 128 + SIGKILL);
}

TEST_F(RuntimeLifecycleTest, StatesAreForTheirOwnerAlone) {
  start(idle());
  EXPECT_EQ(std::filesystem::status(path("states")).permissions(),
            std::filesystem::perms::owner_all);
  EXPECT_EQ(std::filesystem::status(state_path("")).permissions(),
            std::filesystem::perms::owner_all);
}

TEST_F(RuntimeLifecycleTest, ThePidFileHasThePid) {
  CreateRequest request = request_of(idle());
  request.pid_file = path("pid");
  const auto process = create(std::move(request));
  EXPECT_EQ(read_text(path("pid")), std::to_string(process->pid()));
}

TEST_F(RuntimeLifecycleTest, LimitsChangeWhileItRuns) {
  if (!has_v1("pids")) GTEST_SKIP() << "needs the pids controller of cgroup v1";
  start(idle());
  Resources resources;
  resources.pids_limit = 20;
  runtime().update(id(), resources, context());
  EXPECT_EQ(cgroup_file("pids", id(), "pids.max"), "20\n");
  EXPECT_EQ(runtime().stats(id()).pids.limit, 20U);
}

TEST_F(RuntimeLifecycleTest, WithoutCgroupsItStaysInTheCallers) {
  const Runtime without(path("states"), false);
  CreateRequest request = request_of(idle());
  StartFailure failure = StartFailure::Setup;
  const auto process = without.create(std::move(request), failure, context());
  EXPECT_TRUE(leftover_cgroups().empty());
  EXPECT_EQ(read_text(fmt::format("/proc/{}/cgroup", process->pid())),
            read_text("/proc/self/cgroup"));
  without.remove(id(), true, context());
}

}  // namespace
}  // namespace layerkit::testing
