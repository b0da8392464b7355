#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "container_fixture.h"

namespace layerkit::testing {
namespace {

/// cp, with a container that runs and one that was never started.
class CopyTest : public ContainerTest {
 protected:
  void SetUp() override {
    ContainerTest::SetUp();
    if (IsSkipped()) return;
    make_dirs(dir_.path("host/tree/sub"), 0755);
    write("host/file", "from host\n");
    write("host/tree/a", "a\n");
    write("host/tree/sub/b", "b\n");
  }
  void create() {
    output("create --cgroup-parent " + parent_ + " " + backend_option() +
           "-v /data --name cc box sleep 1000");
  }
  void start() { output("start cc"); }
  void write(const std::string& name, const std::string& contents) {
    write_file_at(dir_.fd(), name, contents, 0644);
  }
  std::string read(const std::string& name) { return read_file_at(dir_.fd(), name, 1 << 20); }
  std::string host(const std::string& name) { return dir_.path("host/" + name); }
  void expect_error(const std::string& arguments, const std::string& text) {
    const CommandResult result = tool(arguments);
    EXPECT_EQ(result.exit_code, 1) << arguments << "\n" << result.output;
    EXPECT_NE(result.output.find(text), std::string::npos) << arguments << "\n" << result.output;
  }
  /// By cp itself: the image has no ln.
  void make_symlink_in_container(const std::string& target, const std::string& name) {
    make_dirs(dir_.path("links"), 0755);
    const Fd links = open_dir_at(dir_.fd(), "links");
    make_symlink_at(target, links.get(), name.substr(1));
    output("cp " + dir_.path("links" + name) + " cc:/");
  }
  void expect_copies() {
    output("cp " + host("file") + " cc:/opt/new");
    output("cp " + host("file") + " cc:/opt");
    output("cp " + host("file") + " cc:opt/version");
    output("cp " + host("tree") + " cc:/made");
    output("cp " + host("tree") + " cc:/made");
    output("cp " + host("tree") + "/. cc:/opt");
    output("cp cc:/opt/new " + host("back"));
    output("cp cc:/opt/file " + host(""));
    output("cp cc:/made " + host("out"));
    output("cp cc:/made/tree/sub/. " + host("tree"));
    EXPECT_EQ(read("host/back"), "from host\n");
    EXPECT_EQ(read("host/out/a"), "a\n");
    EXPECT_EQ(read("host/out/tree/sub/b"), "b\n");
    EXPECT_EQ(read("host/tree/b"), "b\n");
    output("cp cc:/opt/a " + host("a"));
    EXPECT_EQ(read("host/a"), "a\n");
    output("cp cc:/opt/version " + host("version"));
    EXPECT_EQ(read("host/version"), "from host\n") << "a file replaces a file";
  }
};

TEST_P(CopyTest, AStoppedContainerGivesAndTakes) {
  create();
  expect_copies();
  start();
  EXPECT_EQ(output("exec cc cat /opt/new"), "from host");
}

TEST_P(CopyTest, ARunningContainerGivesAndTakes) {
  create();
  start();
  expect_copies();
  EXPECT_EQ(output("exec cc cat /opt/new /made/tree/sub/b"), "from host\nb");
  output("pause cc");
  output("cp cc:/opt/new " + host("paused"));
  EXPECT_EQ(read("host/paused"), "from host\n");
}

TEST_P(CopyTest, VolumesAreSeen) {
  create();
  output("cp " + host("file") + " cc:/data/new");
  start();
  EXPECT_EQ(output("exec cc cat /data/new /data/seed"), "from host\nseed");
  output("cp cc:/data " + host("data"));
  EXPECT_EQ(read("host/data/seed"), "seed\n");
}

TEST_P(CopyTest, WhatHasNoPlaceIsRefused) {
  create();
  expect_error("cp cc:/nosuch " + host("x"), "Could not find the file /nosuch in container cc");
  expect_error("cp " + host("nosuch") + " cc:/opt", "Could not find the file ");
  expect_error("cp " + host("file") + " cc:/nosuch/x", "there is no directory '/nosuch'");
  expect_error("cp " + host("file") + " cc:/nosuch/", "no such directory");
  expect_error("cp " + host("tree") + " cc:/opt/version", "cannot copy a directory to a file");
  expect_error("cp " + host("file") + "/ cc:/opt", "it is not a directory");
  expect_error("cp cc:/opt/version/. " + host("x"), "it is not a directory");
  expect_error("cp cc:/opt cc:/made", "copying between containers is not supported");
  expect_error("cp a b", "must specify at least one container source");
  expect_error("cp nosuch:/a b", "No such container: nosuch");
  make_dirs(dir_.path("host/in/version"), 0755);
  expect_error("cp " + host("in") + "/. cc:/opt",
               "cannot overwrite non-directory with a directory");
  make_dirs(dir_.path("host/other"), 0755);
  write("host/other/bin", "x");
  expect_error("cp " + host("other") + "/. cc:/", "cannot overwrite directory with non-directory");
}

TEST_P(CopyTest, OwnersAndSetUserIdBitsAreKeptWhenAsked) {
  create();
  ASSERT_EQ(::chown(host("file").c_str(), 1000, 77), 0);
  ASSERT_EQ(::chmod(host("file").c_str(), 04755), 0);
  output("cp " + host("file") + " cc:/opt/mine");
  output("cp -a " + host("file") + " cc:/opt/kept");
  start();
  EXPECT_EQ(output("exec cc stat -c '%u %g %a' /opt/mine /opt/kept"), "0 0 755\n1000 77 4755");
  output("cp cc:/opt/kept " + host("mine"));
  output("cp -a cc:/opt/kept " + host("kept"));
  struct stat status {};
  ASSERT_EQ(::stat(host("mine").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0755U);
  EXPECT_EQ(status.st_uid, 0U);
  ASSERT_EQ(::stat(host("kept").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 04755U);
  EXPECT_EQ(status.st_uid, 1000U);
}

TEST_P(CopyTest, SymlinksAreCopiedOrFollowed) {
  create();
  start();
  make_symlink_in_container("/opt/version", "/l");
  make_symlink_in_container("/opt", "/d");
  output("cp cc:/l " + host("link"));
  output("cp -L cc:/l " + host("followed"));
  EXPECT_EQ(std::filesystem::read_symlink(host("link")).string(), "/opt/version");
  EXPECT_EQ(read("host/followed"), "two\n");
  output("cp cc:/d/ " + host("dir"));
  EXPECT_EQ(read("host/dir/version"), "two\n");
  output("cp " + host("file") + " cc:/d/through");
  EXPECT_EQ(output("exec cc cat /opt/through"), "from host");
  output("cp " + host("file") + " cc:/l");
  EXPECT_EQ(output("exec cc cat /opt/version"), "from host");
}

TEST_P(CopyTest, NothingOfTheContainerLeadsOut) {
  create();
  start();
  const std::string outside = dir_.path("outside");
  make_dirs(outside, 0755);
  write_file_at(AT_FDCWD, outside + "/secret", "secret\n", 0644);
  tool("exec cc mkdir -p " + outside);
  make_symlink_in_container(outside, "/escape");
  make_symlink_in_container("../../../../../../.." + outside, "/climb");
  expect_error("cp cc:/escape/secret " + host("x"), "Could not find the file /escape/secret");
  expect_error("cp cc:/climb/secret " + host("x"), "Could not find the file /climb/secret");
  output("cp " + host("file") + " cc:/escape/new");
  output("cp " + host("file") + " cc:/climb/new");
  EXPECT_FALSE(std::filesystem::exists(outside + "/new"));
  EXPECT_EQ(output("exec cc cat " + outside + "/new"), "from host");
  expect_error("cp cc:/proc/self/root" + outside + "/secret " + host("x"), "Could not find");
}

TEST_P(CopyTest, TarsGoBothWays) {
  create();
  EXPECT_EQ(run_command(program() + " cp cc:/opt - | tar -tf -").output, "opt/\nopt/version\n");
  EXPECT_EQ(run_command(program() + " cp cc:/opt/version - | tar -xOf - version").output, "two\n");
  const auto put = run_command("tar -C " + host("") + " --owner 5 --group 6 -czf - tree | " +
                               program() + " cp - cc:/opt");
  EXPECT_EQ(put.exit_code, 0) << put.output;
  start();
  EXPECT_EQ(output("exec cc stat -c '%u %g' /opt/tree/sub/b"), "5 6");
  EXPECT_EQ(output("exec cc cat /opt/tree/a"), "a");
  expect_error("cp - cc:/opt/version </dev/null", "cannot copy a directory to a file");
  expect_error("cp - cc:/nosuch </dev/null", "must be a directory");
}

TEST_P(CopyTest, AStoppedContainerIsNobodyElsesMeanwhile) {
  create();
  const std::string fifo = dir_.path("fifo");
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  const auto result = run_command(program() + " cp - cc:/opt <" + fifo + " & exec 3>" + fifo +
                                  "; for i in $(seq 600); do " + "grep -qs claimed_by " +
                                  dir_.path("images/containers") + "/*/state.json && break; " +
                                  "sleep 0.05; done; " + program() + " start cc; tar -cf - -C " +
                                  host("") + " file >&3; exec 3>&-; wait");
  EXPECT_NE(result.output.find(" is starting or removing it"), std::string::npos) << result.output;
  EXPECT_EQ(output("start cc"), "cc") << "it is free again";
  EXPECT_EQ(output("exec cc cat /opt/file"), "from host");
}

TEST_P(CopyTest, HardLinksSocketsAndTimesAreAsTheyWere) {
  create();
  ASSERT_EQ(::link(host("tree/a").c_str(), host("tree/z").c_str()), 0);
  const timespec times[2] = {{1'600'000'000, 5}, {1'600'000'000, 5}};
  ASSERT_EQ(::utimensat(AT_FDCWD, host("tree/a").c_str(), times, 0), 0);
  ASSERT_EQ(::utimensat(AT_FDCWD, host("tree/sub").c_str(), times, 0), 0);
  ASSERT_EQ(::mkfifo(host("tree/fifo").c_str(), 0600), 0);
  output("cp " + host("tree") + " cc:/opt");
  output("cp cc:/opt/tree " + host("again"));
  struct stat a {};
  struct stat z {};
  ASSERT_EQ(::stat(host("again/a").c_str(), &a), 0);
  ASSERT_EQ(::stat(host("again/z").c_str(), &z), 0);
  EXPECT_EQ(a.st_ino, z.st_ino);
  EXPECT_EQ(a.st_mtim.tv_sec, 1'600'000'000);
  ASSERT_EQ(::stat(host("again/sub").c_str(), &z), 0);
  EXPECT_EQ(z.st_mtim.tv_sec, 1'600'000'000);
  ASSERT_EQ(::lstat(host("again/fifo").c_str(), &z), 0);
  EXPECT_TRUE(S_ISFIFO(z.st_mode));
}

TEST_P(CopyTest, TheFilesThatTheContainerHasFromUsAreThose) {
  create();
  start();
  output("exec cc sh -c 'echo 10.1.2.3 more >> /etc/hosts'");
  output("cp cc:/etc/hosts " + host("hosts"));
  output("cp cc:/etc/hostname " + host("hostname"));
  output("cp -L cc:/etc/resolv.conf " + host("resolv"));
  EXPECT_EQ(read("host/hosts"), output("exec cc cat /etc/hosts") + "\n");
  EXPECT_NE(read("host/hosts").find("10.1.2.3 more"), std::string::npos);
  EXPECT_EQ(read("host/hostname"), output("exec cc cat /etc/hostname") + "\n");
  EXPECT_EQ(output("exec cc cat /etc/resolv.conf") + "\n", read("host/resolv"));
  output("kill cc");
  output("cp cc:/etc/hosts " + host("stopped"));
  EXPECT_EQ(read("host/stopped"), read("host/hosts"));
}

TEST_P(CopyTest, NamesOfWhiteoutsAreNamesInATar) {
  make_dirs(dir_.path("host/odd/.wh.dir"), 0755);
  write("host/odd/.wh.dir/.wh.file", "odd\n");
  const std::string volume = "-v " + dir_.path("host") + ":/mnt ";
  output("create --cgroup-parent " + parent_ + " " + backend_option() + volume + "--name cc box");
  EXPECT_EQ(run_command(program() + " cp cc:/mnt/odd - | tar -tf -").output,
            "odd/\nodd/.wh.dir/\nodd/.wh.dir/.wh.file\n");
}

TEST_P(CopyTest, ALinkThatIsTheTargetLeadsWhereTheKernelWouldGo) {
  create();
  start();
  output("exec cc mkdir -p /opt/deep/er /up");
  make_symlink_in_container("/opt/deep/er", "/inner");
  make_dirs(dir_.path("made"), 0755);
  make_symlink_at("../new", open_dir_at(dir_.fd(), "made").get(), "out");
  output("cp " + dir_.path("made/out") + " cc:/inner/out");
  // /inner/out is /opt/deep/er/out, hence ../new is /opt/deep/new and not /new.
  output("cp " + host("file") + " cc:/inner/out");
  EXPECT_EQ(output("exec cc cat /opt/deep/new"), "from host");
  make_symlink_in_container("loop", "/loop");
  expect_error("cp " + host("file") + " cc:/loop", "too many symlinks");
}

TEST_P(CopyTest, ADirectoryThatATarNamesLateIsAsTheTarSays) {
  create();
  make_dirs(dir_.path("tar/d"), 0755);
  write("tar/d/file", "file\n");
  ASSERT_EQ(::chmod(dir_.path("tar/d").c_str(), 02750), 0);
  ASSERT_EQ(::chown(dir_.path("tar/d").c_str(), 5, 6), 0);
  ASSERT_EQ(::chmod(dir_.path("tar/d").c_str(), 02750), 0);
  const timespec times[2] = {{1'600'000'000, 0}, {1'600'000'000, 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, dir_.path("tar/d").c_str(), times, 0), 0);
  const auto put = run_command("tar -C " + dir_.path("tar") + " --no-recursion -cf - d/file d | " +
                               program() + " cp - cc:/opt");
  EXPECT_EQ(put.exit_code, 0) << put.output;
  start();
  EXPECT_EQ(output("exec cc stat -c '%u %g %a %Y' /opt/d"), "5 6 2750 1600000000");
}

TEST_P(CopyTest, ExtendedAttributesGoAlongButNotThoseThatGiveRights) {
  create();
  const std::string file = host("file");
  ASSERT_EQ(::setxattr(file.c_str(), "user.note", "n", 1, 0), 0);
  ASSERT_EQ(::setxattr(file.c_str(), "user.overlay.opaque", "y", 1, 0), 0);
  ASSERT_EQ(::setxattr(file.c_str(), "trusted.secret", "s", 1, 0), 0);
  ASSERT_EQ(::setxattr(host("tree").c_str(), "user.note", "d", 1, 0), 0);
  const std::string capability("\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
  ASSERT_EQ(::setxattr(file.c_str(), "security.capability", capability.data(), 20, 0), 0);
  const auto names_of = [&](const std::string& name) {
    std::string names;
    for (const auto& [key, value] : read_xattrs_at(AT_FDCWD, host(name)))
      names += key + " ";
    return names;
  };
  if (names_of("file") != "security.capability trusted.secret user.note user.overlay.opaque ")
    GTEST_SKIP() << "needs a file system with all of them";
  output("cp " + file + " cc:/opt/plain");
  output("cp -a " + file + " cc:/opt/kept");
  output("cp " + host("tree") + " cc:/opt");
  output("cp -a cc:/opt/plain " + host("plain"));
  output("cp -a cc:/opt/kept " + host("kept"));
  output("cp cc:/opt/kept " + host("again"));
  output("cp cc:/opt/tree " + host("out"));
  EXPECT_EQ(names_of("plain"), "user.note ");
  EXPECT_EQ(names_of("kept"), "security.capability user.note ");
  EXPECT_EQ(names_of("again"), "user.note ");
  EXPECT_EQ(names_of("out"), "user.note ");
}

TEST_P(CopyTest, APlaceThatIsNoneAnyMoreIsInNobodysWay) {
  output("create --cap-add SYS_ADMIN --cgroup-parent " + parent_ + " " + backend_option() + "-v " +
         host("tree") + ":/looped/sub -v " + host("file") +
         ":/some/bound --name cc box sleep 1000");
  start();
  output(
      "exec cc sh -c 'busybox umount /looped/sub && busybox rm -r /looped && "
      "busybox ln -s looped /looped && busybox umount /some/bound && rm /some/bound && "
      "mkdir /some/bound'");
  output("cp cc:/opt/version " + host("running"));
  output("kill cc");
  output("cp cc:/opt/version " + host("stopped"));
  EXPECT_EQ(read("host/running") + read("host/stopped"), "two\ntwo\n");
}

TEST_P(CopyTest, ARootThatIsReadOnlyIsSoForCopies) {
  output("create --read-only --cgroup-parent " + parent_ + " " + backend_option() +
         "-v /data --name cc box sleep 1000");
  for (const char* state : {"stopped", "running"}) {
    SCOPED_TRACE(state);
    expect_error("cp " + host("file") + " cc:/opt", "Read-only file system");
    output("cp " + host("file") + " cc:/data/" + state);
    output("cp cc:/opt/version " + host("version"));
    if (state == std::string_view("stopped")) start();
  }
  EXPECT_EQ(output("exec cc cat /data/stopped /data/running"), "from host\nfrom host");
}

TEST_P(CopyTest, ALargeFileIsLeftWhenTheUserWantsToStop) {
  make_dirs(dir_.path("host/large"), 0755);
  write("host/large/huge", "");
  ASSERT_EQ(::truncate(host("large/huge").c_str(), off_t{1} << 42), 0);
  output("create --cgroup-parent " + parent_ + " " + backend_option() + "-v " + host("large") +
         ":/mnt --name cc box");
  const auto result = run_command(program() +
                                  " cp cc:/mnt/huge - > /dev/null & pid=$!; "
                                  "until ls -l /proc/$pid/fd | grep -q huge; do sleep 0.05; done; "
                                  "kill -INT $pid; wait $pid; echo $?");
  EXPECT_TRUE(result.output.ends_with("interrupted\n1\n")) << result.output;
}

INSTANTIATE_TEST_SUITE_P(Backends, CopyTest, kMountChoices, name_of);

}  // namespace
}  // namespace layerkit::testing
