#include <poll.h>
#include <sys/file.h>
#include <sys/syscall.h>

#include <atomic>
#include <thread>

#include "runtime/state_directory.h"
#include "runtime_fixture.h"

#ifndef RENAME_EXCHANGE
#define RENAME_EXCHANGE (1U << 1U)
#endif

namespace layerkit::testing {
namespace {

class RuntimeStateTest : public RuntimeTest {
 protected:
  /// Lets the process through the gate as `start` does, and no more: it was killed then. Returns
  /// once the program has been executed.
  void open_gate() {
    const Fd gate = open_at(AT_FDCWD, state_path("exec.fifo"), O_WRONLY | O_NONBLOCK);
    write_all(gate.get(), "0", "the gate");
    pollfd poll{gate.get(), 0, 0};
    while (::poll(&poll, 1, -1) < 0 && errno == EINTR) {
    }
  }
};

TEST_F(RuntimeStateTest, WhatWasLetGoRunsWhateverBecameOfWhoDidIt) {
  const auto process = create(idle());
  EXPECT_EQ(status(), ContainerStatus::Created);
  open_gate();
  EXPECT_EQ(status(), ContainerStatus::Running);
  expect_error(Errc::Invalid, "cannot start an already running container",
               [&] { runtime().start(id(), context()); });
  expect_error(Errc::Busy, "that is not stopped: running",
               [&] { runtime().remove(id(), false, context()); });
  EXPECT_EQ(status(), ContainerStatus::Running);
}

/// A frozen process does not take it.
TEST_F(RuntimeStateTest, AByteAtTheGateIsAStart) {
  const auto process = create(idle());
  runtime().pause(id(), context());
  const Fd gate = open_at(AT_FDCWD, state_path("exec.fifo"), O_WRONLY | O_NONBLOCK);
  write_all(gate.get(), "0", "the gate");
  EXPECT_EQ(status(), ContainerStatus::Paused);
  runtime().resume(id(), context());
}

/// As where the file system of the states is full.
TEST_F(RuntimeStateTest, AStartNeedsNoRoomForTheState) {
  const auto process = create(idle());
  make_dirs(state_path("state.json.new"), 0700);
  runtime().start(id(), context());
  EXPECT_EQ(status(), ContainerStatus::Running);
  EXPECT_TRUE(unlink_at(AT_FDCWD, state_path("state.json.new"), AT_REMOVEDIR));
}

/// SIGTERM and SIGINT set what is asked for here.
TEST_F(RuntimeStateTest, WhoWaitsForAContainerCanBeStopped) {
  const auto process = create(idle());
  const Fd held = open_at(AT_FDCWD, state_path(""), O_RDONLY | O_DIRECTORY);
  ASSERT_EQ(::flock(held.get(), LOCK_EX), 0);
  const std::atomic<bool> interrupted{true};
  Context stopped = context();
  stopped.interrupted = &interrupted;
  const std::string message =
      "waiting for container '" + id() + "', which is being changed: interrupted";
  expect_error(Errc::Interrupted, message, [&] { runtime().start(id(), stopped); });
  expect_error(Errc::Interrupted, message, [&] { runtime().pause(id(), stopped); });
  expect_error(Errc::Interrupted, message, [&] { runtime().resume(id(), stopped); });
  expect_error(Errc::Interrupted, message, [&] { runtime().update(id(), {}, stopped); });
  expect_error(Errc::Interrupted, message, [&] { runtime().remove(id(), true, stopped); });
  // Who only looks does not wait.
  EXPECT_EQ(status(), ContainerStatus::Created);
  runtime().kill(id(), 0, false);
}

TEST_F(RuntimeStateTest, WhoDoesNotWaitIsNotStopped) {
  const auto process = create(idle());
  const std::atomic<bool> interrupted{true};
  Context stopped = context();
  stopped.interrupted = &interrupted;
  runtime().start(id(), stopped);
  EXPECT_EQ(status(), ContainerStatus::Running);
  runtime().remove(id(), true, stopped);
}

/// Somebody puts another directory in the place of the new one. Goes on until that has come between
/// the call that makes it and the one that opens it.
TEST_F(RuntimeStateTest, ADirectoryThatIsNotTheNewOneIsNotUsed) {
  const std::string name = path("states/" + id());
  const std::string other = path("states/.other");
  int used = 0;
  for (bool is_refused = false; !is_refused;) {
    make_dirs(other, 0755);
    write_text(other + "/config.json", "{}");
    std::atomic<bool> is_ready{false};
    std::thread replacer([&] {
      is_ready = true;
      while (::syscall(SYS_renameat2, AT_FDCWD, other.c_str(), AT_FDCWD, name.c_str(),
                       RENAME_EXCHANGE) != 0) {
      }
    });
    while (!is_ready) {
    }
    try {
      const auto made = runner::StateDirectory::make(path("states"), id(), context());
      if (!list_dir(made.fd()).empty() || stat_fd(made.fd()).mode != 0700) ++used;
    } catch (const Error& error) {
      EXPECT_EQ(error.message(), "creating the state of container '" + id() +
                                     "': somebody else has put another directory there");
      is_refused = true;
    }
    replacer.join();
    remove_tree_at(AT_FDCWD, name);
    remove_tree_at(AT_FDCWD, other);
    ASSERT_EQ(used, 0);
  }
}

TEST_F(RuntimeStateTest, WithoutACgroupItsProcessesAreThoseOfItsPidNamespace) {
  const Runtime without(path("states"), false);
  StartFailure failure = StartFailure::Setup;
  const auto process = without.create(
      request_of(script("sleep 1000000 & echo > /tmp/started; wait")), failure, context());
  EXPECT_EQ(without.processes(id()), std::vector<pid_t>{process->pid()});
  runtime().start(id(), context());
  while (!std::filesystem::exists(rootfs().path("tmp/started"))) {
  }
  const std::vector<pid_t> pids = without.processes(id());
  EXPECT_EQ(pids.size(), 2U);
  EXPECT_TRUE(std::binary_search(pids.begin(), pids.end(), process->pid()));
  without.kill(id(), SIGKILL, false);
  process->wait();
  EXPECT_TRUE(without.processes(id()).empty());
}

TEST_F(RuntimeStateTest, WithoutACgroupAndAPidNamespaceItsProcessIsTheFirstOne) {
  const Runtime without(path("states"), false);
  Json config = idle();
  drop_namespace(config, "pid");
  StartFailure failure = StartFailure::Setup;
  const auto process = without.create(request_of(config), failure, context());
  EXPECT_EQ(without.processes(id()), std::vector<pid_t>{process->pid()});
}

}  // namespace
}  // namespace layerkit::testing
