#include <sys/syscall.h>

#include "descriptor_socket.h"
#include "runtime_fixture.h"

namespace layerkit::testing {
namespace {

class RuntimeDescriptorsTest : public RuntimeTest {
 protected:
  static Fd file_with(const std::string& text) {
    Fd file = open_at(AT_FDCWD, "/tmp", O_TMPFILE | O_RDWR, 0600);
    write_all(file.get(), text, "file");
    ::lseek(file.get(), 0, SEEK_SET);
    return file;
  }
};

TEST_F(RuntimeDescriptorsTest, WhatIsHandedDownFollowsTheStreams) {
  CreateRequest request = request_of(script("cat <&3; cat <&5; ls /proc/$$/fd; exit 0"));
  request.preserved.push_back(file_with("three\n"));
  request.preserved.emplace_back();
  request.preserved.push_back(file_with("five\n"));
  EXPECT_EQ(run(std::move(request)).output, "three\nfive\n0\n1\n2\n3\n5\n");
}

TEST_F(RuntimeDescriptorsTest, ManyAreHandedDown) {
  // The shell's "<&" knows one digit only.
  CreateRequest request =
      request_of(script("for each in 3 40 102; do cat /proc/self/fd/$each; done"));
  for (int i = 0; i < 100; ++i)
    request.preserved.push_back(file_with(fmt::format("{}\n", i + 3)));
  EXPECT_EQ(run(std::move(request)).output, "3\n40\n102\n");
}

TEST_F(RuntimeDescriptorsTest, FurtherVariablesOverrideThoseOfTheConfig) {
  CreateRequest request = request_of(script("echo $LISTEN_FDS $LISTEN_PID $HOME"));
  request.env = {"LISTEN_FDS=2", "LISTEN_PID=1", "HOME=/elsewhere"};
  EXPECT_EQ(run(std::move(request)).output, "2 1 /elsewhere\n");
}

TEST_F(RuntimeDescriptorsTest, ASocketGetsThePidfdOfTheProcess) {
  DescriptorSocket socket(path("socket"));
  CreateRequest request = request_of(idle());
  request.pidfd_socket = socket.path();
  const auto container = start(std::move(request));
  ExecRequest joining = exec_request({"sleep", "1000000"});
  joining.pidfd_socket = socket.path();
  const Capture output;
  const auto process = start_exec(std::move(joining), output.end().get());
  const Fd first = socket.receive();
  const Fd second = socket.receive();
  ASSERT_EQ(::syscall(SYS_pidfd_send_signal, second.get(), SIGTERM, nullptr, 0), 0);
  EXPECT_EQ(process->wait().signal, SIGTERM);
  ASSERT_EQ(::syscall(SYS_pidfd_send_signal, first.get(), SIGKILL, nullptr, 0), 0);
  EXPECT_EQ(container->wait().signal, SIGKILL);
}

TEST_F(RuntimeDescriptorsTest, TheStreamsAreTheCallers) {
  const Fd input = file_with("typed\n");
  const Capture output;
  CreateRequest request = request_of(script("read line; echo out $line; echo err >&2"));
  StartFailure failure = StartFailure::Setup;
  std::unique_ptr<StartedProcess> process;
  {
    const RedirectedStreams streams(input.get(), output.end().get());
    process = runtime().create(std::move(request), failure, context());
  }
  runtime().start(id(), context());
  EXPECT_EQ(process->wait().code, 0);
  EXPECT_EQ(output.text(), "out typed\nerr\n");
}

}  // namespace
}  // namespace layerkit::testing
