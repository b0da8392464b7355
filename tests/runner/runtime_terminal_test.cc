#include <sys/ioctl.h>
#include <sys/sysmacros.h>

#include "descriptor_socket.h"
#include "runtime_fixture.h"

namespace layerkit::testing {
namespace {

/// All that is written to the terminal, until nobody has it open any more.
std::string read_terminal(const Fd& master) {
  std::string all;
  char bytes[1024];
  for (ssize_t got = 0; (got = ::read(master.get(), bytes, sizeof(bytes))) > 0;)
    all.append(bytes, static_cast<std::size_t>(got));
  std::erase(all, '\r');
  return all;
}

class RuntimeTerminalTest : public RuntimeTest {
 protected:
  Json terminal(const std::string& text) const {
    Json config = script(text);
    config["process"]["terminal"] = true;
    return config;
  }
  CreateRequest with_socket(const Json& config, const DescriptorSocket& socket) const {
    CreateRequest request = request_of(config);
    request.console_socket = socket.path();
    return request;
  }
};

TEST_F(RuntimeTerminalTest, TheConsoleSocketGetsTheMaster) {
  DescriptorSocket socket(path("console"));
  const auto process = start(with_socket(
      terminal("for fd in 0 1 2; do busybox test -t $fd && echo tty; done; busybox tty"), socket));
  const Fd master = socket.receive();
  ASSERT_TRUE(master);
  EXPECT_EQ(read_terminal(master), "tty\ntty\ntty\n/dev/pts/0\n");
  EXPECT_EQ(process->wait().code, 0);
  EXPECT_EQ(output(), "");
}

TEST_F(RuntimeTerminalTest, ItHasTheSizeThatWasAsked) {
  DescriptorSocket socket(path("console"));
  Json config = terminal("busybox stty size");
  config["process"]["consoleSize"] = {{"height", 33}, {"width", 101}};
  const auto process = start(with_socket(config, socket));
  const Fd master = socket.receive();
  EXPECT_EQ(read_terminal(master), "33 101\n");
  process->wait();
}

TEST_F(RuntimeTerminalTest, ItIsTheConsoleAndControlsTheProcess) {
  DescriptorSocket socket(path("console"));
  const auto process =
      start(with_socket(terminal("echo to-tty > /dev/tty; echo to-console > /dev/console; "
                                 "stat -L -c %t:%T /dev/console /proc/self/fd/0"),
                        socket));
  const Fd master = socket.receive();
  EXPECT_EQ(read_terminal(master), "to-tty\nto-console\n88:0\n88:0\n");
  process->wait();
}

TEST_F(RuntimeTerminalTest, ItBelongsToTheUserOfTheProcess) {
  DescriptorSocket socket(path("console"));
  Json config = terminal("stat -c %u /dev/pts/0; echo fine > /dev/pts/0");
  config["process"]["user"] = {{"uid", 1000}, {"gid", 1000}};
  const auto process = start(with_socket(config, socket));
  const Fd master = socket.receive();
  EXPECT_EQ(read_terminal(master), "1000\nfine\n");
  process->wait();
}

TEST_F(RuntimeTerminalTest, WhatIsTypedReachesTheProcess) {
  DescriptorSocket socket(path("console"));
  const auto process = start(with_socket(terminal("read line; echo \"got $line\""), socket));
  const Fd master = socket.receive();
  ASSERT_EQ(::write(master.get(), "word\n", 5), 5);
  EXPECT_NE(read_terminal(master).find("got word\n"), std::string::npos);
  process->wait();
}

TEST_F(RuntimeTerminalTest, TheCallerMayKeepIt) {
  CreateRequest request = request_of(terminal("echo kept"));
  request.keeps_terminal = true;
  const auto process = start(std::move(request));
  const Fd master = process->take_terminal();
  ASSERT_TRUE(master);
  EXPECT_EQ(read_terminal(master), "kept\n");
  process->wait();
}

TEST_F(RuntimeTerminalTest, ExecHasATerminalOfItsOwn) {
  start(idle());
  DescriptorSocket socket(path("console"));
  ExecRequest request = exec_script("busybox tty; busybox stty size; echo to-tty > /dev/tty");
  request.process.terminal = true;
  request.process.console_size = ConsoleSize{24, 77};
  request.console_socket = socket.path();
  const Capture nothing;
  const auto process = start_exec(std::move(request), nothing.end().get());
  const Fd master = socket.receive();
  EXPECT_EQ(read_terminal(master), "/dev/pts/0\n24 77\nto-tty\n");
  EXPECT_EQ(process->wait().code, 0);
}

TEST_F(RuntimeTerminalTest, WithoutASocketItIsRefused) {
  EXPECT_EQ(refusal_of(terminal("true")),
            "cannot allocate tty if runner will detach without setting console socket");
  start(idle());
  ExecRequest request = exec_script("true");
  request.process.terminal = true;
  EXPECT_EQ(exec_refusal_of(std::move(request)),
            "cannot allocate tty if runner will detach without setting console socket");
}

TEST_F(RuntimeTerminalTest, ASocketWithoutATerminalIsRefused) {
  DescriptorSocket socket(path("console"));
  EXPECT_EQ(refusal_of(with_socket(script("true"), socket)),
            "cannot use console socket if runner will not detach or allocate tty");
}

TEST_F(RuntimeTerminalTest, ASocketThatDoesNotExistIsNamed) {
  CreateRequest request = request_of(terminal("true"));
  request.console_socket = path("absent");
  EXPECT_EQ(refusal_of(std::move(request)),
            "connecting to console socket '" + path("absent") + "': No such file or directory");
}

TEST_F(RuntimeTerminalTest, ASocketWithALongNameIsFound) {
  const std::string directory = path(std::string(150, 'd'));
  make_dirs(directory, 0755);
  const Fd fd = open_dir_at(AT_FDCWD, directory);
  DescriptorSocket socket(fmt::format("/proc/self/fd/{}/console", fd.get()));
  CreateRequest request = request_of(terminal("echo fine"));
  request.console_socket = directory + "/console";
  const auto process = start(std::move(request));
  EXPECT_EQ(read_terminal(socket.receive()), "fine\n");
  process->wait();
}

/// CVE-2025-52565: neither the multiplexer nor the terminal is found by a path that the root file
/// system could have made.
TEST_F(RuntimeTerminalTest, ADevPtsOfTheRootfsIsNotTakenForATerminal) {
  Json config = terminal("true");
  config["mounts"].erase(2);  // devpts
  config["mounts"].erase(1);  // /dev
  remove_tree_at(rootfs().fd(), "dev");
  make_dir_at(rootfs().fd(), "dev", 0755);
  // Its own multiplexer: that of the host.
  make_dir_at(rootfs().fd(), "dev/pts", 0755);
  make_symlink_at("/dev/ptmx", rootfs().fd(), "dev/pts/ptmx");
  ASSERT_EQ(::mknod(rootfs().path("dev/ptmx").c_str(), S_IFCHR | 0666, ::makedev(5, 2)), 0);
  DescriptorSocket socket(path("console"));
  EXPECT_NE(refusal_of(with_socket(config, socket)).find("opening a terminal of the container"),
            std::string::npos);
  unlink_at(rootfs().fd(), "dev/pts/ptmx");
  rootfs().write("dev/pts/ptmx", "", 0666);
  EXPECT_NE(refusal_of(with_socket(config, socket))
                .find("'/dev/pts/ptmx' is not that of a devpts file system"),
            std::string::npos);
}

/// CVE-2025-52565: what the container has put at the name of the terminal is not taken for it.
TEST_F(RuntimeTerminalTest, TheTerminalIsNotFoundByItsName) {
  Json config = idle();
  for (const char* set : {"bounding", "effective", "permitted"})
    config["process"]["capabilities"][set] = bounding_capabilities();
  start(config);
  // Its multiplexer alone, with its devpts beside it; and a file where the first terminal will be.
  const Outcome made = exec(
      "mount() { busybox mount \"$@\" || exit 1; }; cd /dev; "
      "busybox mkdir /tmp/pts; mount -o bind pts /tmp/pts; mount -t tmpfs none pts; "
      "busybox mkdir pts/pts; mount -o bind /tmp/pts pts/pts; "
      "touch pts/ptmx; mount -o bind /tmp/pts/ptmx pts/ptmx; touch pts/0");
  ASSERT_EQ(made.status.code, 0) << made.output;
  DescriptorSocket socket(path("console"));
  ExecRequest request = exec_script("busybox test -t 0 && stat -c %u /dev/pts/0 /dev/pts/pts/0");
  request.process.terminal = true;
  request.process.uid = 1000;
  request.console_socket = socket.path();
  const Capture nothing;
  const auto process = start_exec(std::move(request), nothing.end().get());
  EXPECT_EQ(read_terminal(socket.receive()), "0\n1000\n");
  EXPECT_EQ(process->wait().code, 0);
}

/// It is covered itself.
TEST_F(RuntimeTerminalTest, AConsoleThatIsASymlinkLeadsNowhere) {
  write_text(path("canary"), "untouched");
  for (const std::string& to : {path("canary"), std::string("/etc/made")}) {
    Json config = terminal("echo to-console > /dev/console; ls /etc");
    config["mounts"].erase(1);  // the rootfs has /dev itself
    rootfs().replace_by_link("dev/console", to);
    make_dirs(rootfs().path("dev/pts"), 0755);
    DescriptorSocket socket(path("console"));
    const auto process = start(with_socket(config, socket));
    EXPECT_EQ(read_terminal(socket.receive()), "to-console\n");
    process->wait();
    runtime().remove(id(), false, context());
    unlink_at(AT_FDCWD, path("console"));
  }
  EXPECT_EQ(read_text(path("canary")), "untouched");
}

}  // namespace
}  // namespace layerkit::testing
