#include <poll.h>
#include <sys/file.h>

#include <atomic>

#include "runtime_fixture.h"

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

}  // namespace
}  // namespace layerkit::testing
