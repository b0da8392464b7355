#include "container_fixture.h"
#include "layerkit/unionmount/mount_info.h"

namespace layerkit::testing {
namespace {

class CommitTest : public ContainerTest {
 protected:
  void TearDown() override {
    if (images_) tool("unmount -l box 2>/dev/null");
    ContainerTest::TearDown();
  }
  static std::string mount_command_line() { return "mount " + backend_option(); }
  /// What is mounted for the host to see gives nobody there a set-user-ID program or a device.
  static void expect_no_privilege(const std::string& target) {
    const auto options = run_command("grep ' " + target + " ' /proc/self/mountinfo").output;
    EXPECT_NE(options.find("nosuid,nodev"), std::string::npos) << options;
  }
};

constexpr const char* kChanges =
    "box sh -c 'echo 3 > /opt/version; rm /data/seed; mkdir /new; echo x > /new/file; "
    "rm -r /data; mkdir /data; touch /etc/passwd'";

TEST_P(CommitTest, DiffListsWhatChanged) {
  run_output("--name cc " + std::string(kChanges));
  EXPECT_EQ(output("diff cc"),
            "C /data\nD /data/seed\nC /etc\nC /etc/passwd\nA /new\nA /new/file\nC /opt\n"
            "C /opt/version");
}

TEST_P(CommitTest, DiffEscapesWhatTerminalsObey) {
  run_output("--name cc box sh -c 'touch \"/a$(printf \"\\033[2J\\nb\")\"'");
  EXPECT_EQ(output("diff cc"), "A /a\\x1b[2J\\nb");
}

TEST_P(CommitTest, ListingsEscapeWhatTerminalsObey) {
  run_output("--name cc box true");
  output("commit -m \"$(printf 'a\\033[2J\\nb')\" cc out:1");
  for (const char* format : {"table", "'{{.Comment}}'"}) {
    const std::string listing = output(std::string("history out:1 --format ") + format);
    EXPECT_NE(listing.find("a\\x1b[2J\\nb"), std::string::npos) << listing;
  }
}

TEST_P(CommitTest, AnUntouchedContainerHasNoChanges) {
  run_output("--name cc -v /tmp:/mnt/a -v /etc/hostname:/x/y --tmpfs /z box true");
  EXPECT_EQ(output("diff cc"), "");
  run_output(
      "--name dd box sh -c 'cat /etc/passwd > /dev/null; echo x > /dev/shm/x; "
      "echo 1.2.3.4 a >> /etc/hosts'");
  EXPECT_EQ(output("diff dd"), "");
}

TEST_P(CommitTest, TheNewLayerHoldsTheChangesOnly) {
  run_output("--name cc -v /tmp:/mnt " + std::string(kChanges));
  const std::string id = output("commit -m message -a author cc out:1");
  const auto base = images().find("box").image;
  const auto image = images().find("out:1").image;
  EXPECT_EQ(id, image.id().str());
  ASSERT_EQ(image.diff_ids().size(), base.diff_ids().size() + 1);
  EXPECT_TRUE(std::equal(base.diff_ids().begin(), base.diff_ids().end(), image.diff_ids().begin()));
  auto names = top_layer_names("out:1");
  const std::vector<std::string> expected = {"+data", "+data",     "+etc", "+etc/passwd",
                                             "+new",  "+new/file", "+opt", "+opt/version"};
  std::sort(names.begin(), names.end());
  EXPECT_EQ(names, expected);
  const auto& history = image.config()["history"].back();
  EXPECT_EQ(history["comment"], "message");
  EXPECT_EQ(history["author"], "author");
  EXPECT_EQ(run_output(
                "--rm out:1 sh -c 'cat /opt/version; ls /data; cat /new/file; ls /mnt 2>&1; true'"),
            "3\nx\nls: /mnt: No such file or directory");
}

TEST_P(CommitTest, TheConfigIsTheContainersWithChanges) {
  run_output("--name cc -e A=1 -w /opt -u app --label k=v box true");
  output("commit -c 'CMD [\"cat\",\"version\"]' -c 'ENV B=2' -c 'EXPOSE 80' cc out");
  const auto config = images().find("out").image.config()["config"];
  EXPECT_EQ(config["Env"], nlohmann::json({"PATH=/bin", "FROM_IMAGE=yes", "A=1", "B=2"}));
  EXPECT_EQ(config["WorkingDir"], "/opt");
  EXPECT_EQ(config["User"], "app");
  EXPECT_EQ(config["Labels"]["k"], "v");
  EXPECT_TRUE(config["ExposedPorts"].contains("80/tcp"));
  EXPECT_FALSE(config.contains("Hostname"));
  EXPECT_EQ(run_output("--rm out"), "two");
  EXPECT_EQ(tool("commit -c 'RUN x' cc bad").exit_code, 1);
  EXPECT_EQ(tool("inspect bad").exit_code, 1);
}

TEST_P(CommitTest, ARunningContainerCanBeCommitted) {
  run_output("-d --name cc box sh -c 'echo 4 > /opt/version; sleep 1000'");
  await("diff cc | grep -q version");
  output("commit cc live");
  EXPECT_EQ(run_output("--rm live cat /opt/version"), "4");
}

TEST_P(CommitTest, SourceDateEpochMakesItReproducible) {
  run_output("--name c1 box sh -c 'echo 5 > /opt/version'");
  run_output("--name c2 box sh -c 'sleep 1; echo 5 > /opt/version'");
  const std::string command = "SOURCE_DATE_EPOCH=1600000000 " + program() + " commit ";
  const auto one = run_command(command + "-c 'CMD x' c1");
  const auto two = run_command(command + "-c 'CMD x' c2");
  EXPECT_EQ(one.exit_code, 0) << one.output;
  std::string id = one.output;
  id.pop_back();
  const auto first = images().find(id).image;
  EXPECT_EQ(first.config()["created"], "2020-09-13T12:26:40Z");
  id = two.output;
  id.pop_back();
  EXPECT_EQ(images().find(id).image.diff_ids(), first.diff_ids());
  EXPECT_EQ(run_command("SOURCE_DATE_EPOCH=x " + program() + " commit c1").exit_code, 1);
}

TEST_P(CommitTest, VolumesAreNeverPartOfAnImage) {
  add_image("volumes", R"({"Cmd":["sh"],"Env":["PATH=/bin"],"Volumes":{"/data":{}}})");
  run_output("--name cc volumes sh -c 'echo secret > /data/secret'");
  output("commit cc out");
  const auto names = top_layer_names("out");
  EXPECT_EQ(std::count(names.begin(), names.end(), "+data/secret"), 0);
  EXPECT_TRUE(images().find("out").image.config()["config"]["Volumes"].contains("/data"));
}

TEST_P(CommitTest, NamesThatNoLayerCanHoldAreRefused) {
  if (is_fuse()) return expect("--name cc box touch /opt/.wh.x", 1, "Operation not permitted");
  run_output("--name cc box sh -c 'echo > /opt/.wh.x'");
  const auto result = tool("commit cc out");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_NE(result.output.find("opt/.wh.x"), std::string::npos) << result.output;
  EXPECT_EQ(tool("inspect out").exit_code, 1);
}

TEST_P(CommitTest, ImagesAreMountedReadOnly) {
  const std::string target = output(mount_command_line() + "box");
  EXPECT_EQ(read_file_at(AT_FDCWD, target + "/opt/version", 100), "two\n");
  const auto write = run_command("touch " + target + "/x");
  EXPECT_NE(write.output.find("Read-only file system"), std::string::npos) << write.output;
  expect_no_privilege(target);
  const auto busy = tool("rmi box");
  EXPECT_EQ(busy.exit_code, 1);
  EXPECT_NE(busy.output.find("mount at"), std::string::npos) << busy.output;
  EXPECT_EQ(output("unmount box"), "box");
  EXPECT_FALSE(std::filesystem::exists(target));
  EXPECT_EQ(tool("unmount box").exit_code, 1);
  expect_soon_nothing_left();
}

TEST_P(CommitTest, ADirectoryOfTheUsersIsKept) {
  make_dir_at(dir_.fd(), "mine", 0755);
  EXPECT_EQ(output(mount_command_line() + "box " + dir_.path("mine")), dir_.path("mine"));
  EXPECT_EQ(tool(mount_command_line() + "box " + dir_.path("mine")).exit_code, 1);
  EXPECT_EQ(output("unmount " + dir_.path("mine")), dir_.path("mine"));
  EXPECT_TRUE(std::filesystem::exists(dir_.path("mine")));
  EXPECT_EQ(output(mount_command_line() + "box " + dir_.path("made")), dir_.path("made"));
  output("unmount " + dir_.path("made"));
  EXPECT_FALSE(std::filesystem::exists(dir_.path("made")));
}

TEST_P(CommitTest, ContainersAreMountedAsTheyAre) {
  run_output("--name stopped box sh -c 'echo 6 > /opt/version'");
  const std::string target = output("mount stopped");
  EXPECT_EQ(read_file_at(AT_FDCWD, target + "/opt/version", 100), "6\n");
  expect_no_privilege(target);
  const auto busy = tool("rm stopped");
  EXPECT_EQ(busy.exit_code, 1);
  EXPECT_NE(busy.output.find("it is mounted at"), std::string::npos) << busy.output;
  output("unmount stopped");
  output("rm stopped");
  run_output("-d --name running box sh -c 'echo 7 > /opt/version; sleep 1000'");
  await("diff running | grep -q version");
  const std::string live = output("mount running");
  EXPECT_EQ(read_file_at(AT_FDCWD, live + "/opt/version", 100), "7\n");
  expect_no_privilege(live);
  output("rm -f running");
  expect_soon_nothing_left();
}

TEST_P(CommitTest, AContainerIsMountedByTheBackendThatItRanWith) {
  run_output("--name cc box sh -c 'echo 6 > /opt/version'");
  EXPECT_EQ(inspect("cc")["MountBackend"], GetParam().backend);
  const std::string target = output("mount cc");
  const auto mount = find_mount(target);
  ASSERT_TRUE(mount);
  EXPECT_EQ(mount->type, is_fuse() ? "fuse.aufs" : "overlay");
  const auto other = tool(std::string("mount --mount-backend ") + (is_fuse() ? "overlay" : "fuse") +
                          " cc " + dir_.path("other"));
  EXPECT_EQ(other.exit_code, 1);
  EXPECT_EQ(other.output,
            fmt::format("imagetool: mounting container cc by {}: it is mounted by {} now\n",
                        is_fuse() ? "overlay" : "fuse", GetParam().backend));
  output("unmount cc");
  EXPECT_EQ(leftovers_of_mounts(), "");
}

TEST_P(CommitTest, ASecondMountOfAContainerIsTheSameOne) {
  run_output("--name cc box true");
  const std::string first = output("mount cc");
  const std::string second = output("mount cc " + dir_.path("second"));
  write_file_at(AT_FDCWD, first + "/opt/made", "here", 0644);
  EXPECT_EQ(read_file_at(AT_FDCWD, second + "/opt/made", 100), "here");
  expect_no_privilege(second);
  output("unmount " + first);
  EXPECT_EQ(read_file_at(AT_FDCWD, second + "/opt/made", 100), "here");
  output("unmount " + second);
  output("rm cc");
  expect_soon_nothing_left();
}

TEST_P(CommitTest, AMountCanBeMadeAgainAtOnce) {
  run_output("--name cc box true");
  for (int round = 0; round < 5; ++round) {
    const std::string target = output("mount cc");
    write_file_at(AT_FDCWD, target + "/opt/round", std::to_string(round), 0644);
    output("unmount cc");
    EXPECT_EQ(leftovers_of_mounts(), "");
  }
  output("commit cc out:1");
  EXPECT_EQ(run_output("--rm out:1 cat /opt/round"), "4");
}

TEST_P(CommitTest, AMountWhoseServerWasKilledCanBeUndone) {
  if (!is_fuse()) GTEST_SKIP() << "the kernel needs no server";
  run_output("--name cc box true");
  const std::string target = output("mount cc");
  const auto served = find_union(*find_mount(target));
  ASSERT_TRUE(served);
  // With the one that would take the mount away.
  const auto supervisor =
      parse_decimal(split(read_file_at(AT_FDCWD, served->directory + "/supervisor", 100), '\n')[0]);
  ASSERT_TRUE(supervisor);
  kill_and_await(static_cast<pid_t>(*supervisor));
  kill_and_await(served->pid);
  std::filesystem::remove_all(served->directory);  // nobody is left to do it
  EXPECT_NE(output("mount").find(target), std::string::npos);
  output("unmount cc");
  EXPECT_EQ(output("mount"), "");
  EXPECT_EQ(read_file_at(AT_FDCWD, output("mount cc") + "/opt/version", 100), "two\n");
  output("rm -f cc");
  expect_soon_nothing_left();
}

TEST_P(CommitTest, HardLinksAreCommittedAsTheContainerSawThem) {
  run_output(
      "--name base box sh -c 'cd /opt; echo one > a; for i in b c d; do busybox ln a $i; done'");
  output("commit base links");
  // Under a name the file is changed, or gone, or moved; the others are left alone.
  const std::string seen = run_output(
      "--name cc links sh -c 'cd /opt; echo two >> b; rm c; cd /; "
      "for i in a b d; do echo $i; cat opt/$i; done'");
  EXPECT_EQ(seen,
            is_fuse() ? "a\none\ntwo\nb\none\ntwo\nd\none\ntwo" : "a\none\nb\none\ntwo\nd\none");
  output("commit cc out");
  EXPECT_EQ(run_output("--rm out sh -c 'for i in a b d; do echo $i; cat opt/$i; done'"), seen);
  EXPECT_EQ(run_output("--rm out sh -c 'stat -c %h opt/a opt/b opt/d'"),
            is_fuse() ? "3\n3\n3" : "4\n1\n4");
}

TEST_P(CommitTest, TheCheckIsCleanWhileAContainerLivesAndAfter) {
  run_output(
      "-d --name cc box sh -c 'busybox cp /opt/version /opt/copy; rm -r /data; mkdir /data; touch "
      "/new; "
      "rm /etc/group; sleep 1000'");
  await("diff cc | grep -q group");
  EXPECT_EQ(output("check --deep"), "No findings.");
  output("stop -t 0 cc");
  EXPECT_EQ(output("check --deep"), "No findings.");
  output("mount cc");
  EXPECT_EQ(output("check --deep"), "No findings.");
  output("unmount cc");
  output("commit cc out");
  EXPECT_EQ(output("check --deep"), "No findings.");
  for (const std::string& name : top_layer_names("out"))
    EXPECT_EQ(name.find(".wh..wh."), std::string::npos) << name;
}

INSTANTIATE_TEST_SUITE_P(Backends, CommitTest, kMountChoices, name_of);

}  // namespace
}  // namespace layerkit::testing
