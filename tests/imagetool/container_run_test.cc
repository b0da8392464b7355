#include <sys/stat.h>

#include "container_fixture.h"

namespace layerkit::testing {
namespace {

class RunTest : public ContainerTest {};

TEST_P(RunTest, PassesTheExitCodeOn) {
  EXPECT_EQ(run("--rm box sh -c 'exit 7'").exit_code, 7);
  EXPECT_EQ(run("--rm box true").exit_code, 0);
  EXPECT_EQ(run("--rm box sh -c 'sh -c \"kill -9 \\$\\$\"; exit $?'").exit_code, 137);
  EXPECT_EQ(leftovers(), "");
}

TEST_P(RunTest, TheProcessHasEnvironmentDirectoryUserAndName) {
  EXPECT_EQ(run_output("--rm -e A=1 -e 'B=x y' --hostname here -w /new/dir -u app box "
                       "sh -c 'echo $FROM_IMAGE $A \"$B\" $HOME $HOSTNAME; pwd; id; hostname'"),
            "yes 1 x y /home/app here\n/new/dir\n"
            "uid=1000(app) gid=1001 groups=77(team),1001\nhere");
  EXPECT_EQ(run_output("--rm -u 5:6 box id"), "uid=5 gid=6 groups=6");
}

TEST_P(RunTest, OrdinaryUsersHaveNoCapabilities) {
  EXPECT_EQ(run_output("--rm -u app box grep CapEff /proc/self/status"),
            "CapEff:\t0000000000000000");
  EXPECT_EQ(run_output("--rm --cap-drop ALL box grep -E CapEff /proc/self/status"),
            "CapEff:\t0000000000000000");
  EXPECT_EQ(run_output("--rm --security-opt no-new-privileges box grep NoNew /proc/self/status"),
            "NoNewPrivs:\t1");
}

TEST_P(RunTest, StandardInputIsPassedOnWhenAsked) {
  EXPECT_EQ(run_command("echo hello | " + program() + " " + run_command_line() + "--rm -i box cat")
                .output,
            "hello\n");
  EXPECT_EQ(
      run_command("echo hello | " + program() + " " + run_command_line() + "--rm box cat").output,
      "");
}

TEST_P(RunTest, StreamsStayApartAndWhole) {
  const auto result = run_command(program() + " " + run_command_line() +
                                  "--rm box sh -c 'yes x | head -c 2000000; echo err >&2'"
                                  " 2>" +
                                  dir_.path("err") + " | wc -c");
  EXPECT_EQ(result.output, "2000000\n");
  EXPECT_EQ(read_file_at(dir_.fd(), "err", 100), "err\n");
}

TEST_P(RunTest, AReaderThatGoesEndsTheWriter) {
  const auto result =
      run_command(program() + " " + run_command_line() + "--rm box yes | head -n 1");
  EXPECT_TRUE(result.output.starts_with("y\n")) << result.output;
  EXPECT_EQ(leftovers(), "");
}

TEST_P(RunTest, SignalsReachTheProcess) {
  const auto result = run_command(
      program() + " " + run_command_line() +
      "--rm box sh -c 'trap \"echo got; exit 5\" TERM; echo ready; while :; do sleep 0.05; "
      "done' > " +
      dir_.path("out") + " & while ! grep -q ready " + dir_.path("out") +
      " 2>/dev/null; do sleep 0.05; done; kill -TERM $!; wait $!");
  EXPECT_EQ(result.exit_code, 5) << result.output;
  EXPECT_EQ(read_file_at(dir_.fd(), "out", 100), "ready\ngot\n");
}

TEST_P(RunTest, BindsAreWritableOrNot) {
  make_dir_at(dir_.fd(), "host", 0777);
  const std::string host = dir_.path("host");
  EXPECT_EQ(run("--rm -v " + host + ":/mnt/deep box sh -c 'echo in > /mnt/deep/f'").exit_code, 0);
  EXPECT_EQ(read_file_at(AT_FDCWD, host + "/f", 100), "in\n");
  expect("--rm -v " + host + ":/mnt:ro box touch /mnt/g", 1, "Read-only file system");
  EXPECT_EQ(run_output("--rm -v " + host + "/f:/etc/one-file:ro box cat /etc/one-file"), "in");
  EXPECT_EQ(run("--rm -v " + dir_.path("made/new") + ":/mnt box true").exit_code, 0);
  EXPECT_TRUE(std::filesystem::is_directory(dir_.path("made/new")));
}

TEST_P(RunTest, TmpfsAndReadOnlyRoot) {
  expect("--rm --read-only box touch /x", 1, "Read-only file system");
  expect("--rm --read-only box sh -c 'echo x > /etc/hosts'", 1, "Read-only file system");
  EXPECT_EQ(
      run_output(
          "--rm --read-only --tmpfs /tmp:size=1m box "
          "sh -c 'echo fine > /tmp/x; cat /tmp/x; grep -c \" /tmp .*size=1024k\" /proc/mounts'"),
      "fine\n1");
}

TEST_P(RunTest, TheNamesInEtcAreProvided) {
  EXPECT_EQ(run_output("--rm -h box1 --add-host db:10.1.2.3 --dns 10.9.9.9 box sh -c "
                       "'cat /etc/hostname; grep db /etc/hosts; grep name /etc/resolv.conf; "
                       "ls -l /etc/mtab; stat -c %a /etc'"),
            run_output("--rm -h box1 --add-host db:10.1.2.3 --dns 10.9.9.9 box sh -c "
                       "'echo box1; echo \"10.1.2.3\tdb\"; echo nameserver 10.9.9.9; "
                       "ls -l /etc/mtab; echo 711'"));
}

TEST_P(RunTest, EntrypointsCombineWithCommands) {
  add_image("entry", R"({"Entrypoint":["/bin/busybox","echo"],"Cmd":["cmd"]})");
  EXPECT_EQ(run_output("--rm entry"), "cmd");
  EXPECT_EQ(run_output("--rm entry -x [a,b] --rm"), "-x [a,b] --rm");
  EXPECT_EQ(run_output("--rm --entrypoint /bin/pwd entry"), "/");
  EXPECT_EQ(run_output("--rm --entrypoint= entry /bin/busybox echo none"), "none");
  EXPECT_EQ(run_output("--rm --entrypoint '' entry /bin/busybox echo none"), "none");
}

TEST_P(RunTest, WhatCannotStartHasDockersExitCodes) {
  expect("--rm box /no/such/program", 127, "/no/such/program");
  expect("box nosuch", 127, "nosuch");
  expect("box /etc/not-executable", 126, "not-executable");
  expect("--nosuch box true", 125, "unknown flag: '--nosuch'");
  expect("box", 0, "");
  expect("nosuchimage", 125, "No such image: nosuchimage");
  expect("--memory 1m box", 125, "Minimum memory limit allowed is 6MB");
  expect("-v named:/x box", 125, "named volumes are not supported");
  expect("-u eve box true", 125, "unable to find user 'eve'");
  expect("--name -x box true", 125, "invalid container name");
  expect("-v /proc/1/nosuch/x:/y box true", 125, "/proc/1/nosuch");
  expect("-w relative box true", 125, "needs to be an absolute path");
  tool("rm $(" + program() + " ps -aq)");
  EXPECT_EQ(leftovers(), "");
}

TEST_P(RunTest, AFailureInTheBackgroundIsReported) {
  expect("-d box /no/such/program", 127, "/no/such/program");
  expect("-d -u eve box true", 125, "unable to find user 'eve'");
  EXPECT_EQ(leftovers(), "");
}

TEST_P(RunTest, LimitsHold) {
  expect("--rm -m 30m box sh -c 'x=0123456789; while :; do x=$x$x; done'", 137, "");
  EXPECT_EQ(
      run_output("--rm --pids-limit 20 box sh -c "
                 "'cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null; true'"),
      "20");
  EXPECT_EQ(run_output("--rm --ulimit nofile=50:60 box sh -c 'ulimit -Sn; ulimit -Hn'"), "50\n60");
  EXPECT_EQ(leftovers(), "");
}

TEST_P(RunTest, AKillForMemoryIsRecorded) {
  EXPECT_EQ(run("--name big -m 30m box sh -c 'x=0123456789; while :; do x=$x$x; done'").exit_code,
            137);
  const auto state = inspect("big")["State"];
  EXPECT_EQ(state["OOMKilled"], true);
  EXPECT_EQ(state["ExitCode"], 137);
}

TEST_P(RunTest, AnonymousVolumesAreFilledFromTheImage) {
  add_image("volumes", R"({"Cmd":["sh"],"Env":["PATH=/bin"],"Volumes":{"/data":{}}})");
  EXPECT_EQ(run_output(
                "--name vv volumes sh -c 'cat /data/seed; stat -c %a /data; echo new > /data/new'"),
            "seed\n750");
  EXPECT_EQ(output("diff vv"), "");
  EXPECT_EQ(run_output("--rm -v /extra volumes sh -c 'ls /extra; ls /data'"), "seed");
  output("rm vv");
  EXPECT_EQ(leftovers(), "");
}

TEST_P(RunTest, TwentyAtOnceDoNotSeeEachOther) {
  std::string script = "for i in $(seq 20); do (" + program() + " " + run_command_line() +
                       "--rm box sh -c "
                       "\"echo $i > /opt/version; sleep 0.3; cat /opt/version\" > " +
                       dir_.path("out.$i") + " 2>&1) & done; wait";
  run_command(script);
  for (int i = 1; i <= 20; ++i) {
    EXPECT_EQ(read_file_at(dir_.fd(), "out." + std::to_string(i), 1000), std::to_string(i) + "\n");
  }
  EXPECT_EQ(run_output("--rm box cat /opt/version"), "two");
  EXPECT_EQ(leftovers(), "");
}

TEST_P(RunTest, TheIdFileIsWrittenOnce) {
  const std::string file = dir_.path("cid");
  const std::string id = run_output("-d --cidfile " + file + " box true");
  EXPECT_EQ(read_file_at(AT_FDCWD, file, 100), id);
  expect("--cidfile " + file + " box true", 125, "File exists");
  expect("--cidfile " + dir_.path("other") + " nosuch", 125, "No such image");
  EXPECT_FALSE(std::filesystem::exists(dir_.path("other")));
}

INSTANTIATE_TEST_SUITE_P(Backends, RunTest, kMountChoices, name_of);

}  // namespace
}  // namespace layerkit::testing
