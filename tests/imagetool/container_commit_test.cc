#include "container_fixture.h"

namespace layerkit::testing {
namespace {

class CommitTest : public ContainerTest {
 protected:
  void TearDown() override {
    if (images_) tool("unmount -l box 2>/dev/null");
    ContainerTest::TearDown();
  }
  /// What is mounted for the host to see gives nobody there a set-user-ID program or a device.
  static void expect_no_privilege(const std::string& target) {
    const auto options = run_command("grep ' " + target + " ' /proc/self/mountinfo").output;
    EXPECT_NE(options.find("nosuid,nodev"), std::string::npos) << options;
  }
};

constexpr const char* kChanges =
    "box sh -c 'echo 3 > /opt/version; rm /data/seed; mkdir /new; echo x > /new/file; "
    "rm -r /data; mkdir /data; touch /etc/passwd'";

TEST_F(CommitTest, DiffListsWhatChanged) {
  run_output("--name cc " + std::string(kChanges));
  EXPECT_EQ(output("diff cc"),
            "C /data\nD /data/seed\nC /etc\nC /etc/passwd\nA /new\nA /new/file\nC /opt\n"
            "C /opt/version");
}

TEST_F(CommitTest, DiffEscapesWhatTerminalsObey) {
  run_output("--name cc box sh -c 'touch \"/a$(printf \"\\033[2J\\nb\")\"'");
  EXPECT_EQ(output("diff cc"), "A /a\\x1b[2J\\nb");
}

TEST_F(CommitTest, ListingsEscapeWhatTerminalsObey) {
  run_output("--name cc box true");
  output("commit -m \"$(printf 'a\\033[2J\\nb')\" cc out:1");
  for (const char* format : {"table", "'{{.Comment}}'"}) {
    const std::string listing = output(std::string("history out:1 --format ") + format);
    EXPECT_NE(listing.find("a\\x1b[2J\\nb"), std::string::npos) << listing;
  }
}

TEST_F(CommitTest, AnUntouchedContainerHasNoChanges) {
  run_output("--name cc -v /tmp:/mnt/a -v /etc/hostname:/x/y --tmpfs /z box true");
  EXPECT_EQ(output("diff cc"), "");
  run_output(
      "--name dd box sh -c 'cat /etc/passwd > /dev/null; echo x > /dev/shm/x; "
      "echo 1.2.3.4 a >> /etc/hosts'");
  EXPECT_EQ(output("diff dd"), "");
}

TEST_F(CommitTest, TheNewLayerHoldsTheChangesOnly) {
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

TEST_F(CommitTest, TheConfigIsTheContainersWithChanges) {
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

TEST_F(CommitTest, ARunningContainerCanBeCommitted) {
  run_output("-d --name cc box sh -c 'echo 4 > /opt/version; sleep 1000'");
  await("diff cc | grep -q version");
  output("commit cc live");
  EXPECT_EQ(run_output("--rm live cat /opt/version"), "4");
}

TEST_F(CommitTest, SourceDateEpochMakesItReproducible) {
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

TEST_F(CommitTest, VolumesAreNeverPartOfAnImage) {
  add_image("volumes", R"({"Cmd":["sh"],"Env":["PATH=/bin"],"Volumes":{"/data":{}}})");
  run_output("--name cc volumes sh -c 'echo secret > /data/secret'");
  output("commit cc out");
  const auto names = top_layer_names("out");
  EXPECT_EQ(std::count(names.begin(), names.end(), "+data/secret"), 0);
  EXPECT_TRUE(images().find("out").image.config()["config"]["Volumes"].contains("/data"));
}

TEST_F(CommitTest, NamesThatNoLayerCanHoldAreRefused) {
  run_output("--name cc box sh -c 'echo > /opt/.wh.x'");
  const auto result = tool("commit cc out");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_NE(result.output.find("opt/.wh.x"), std::string::npos) << result.output;
  EXPECT_EQ(tool("inspect out").exit_code, 1);
}

TEST_F(CommitTest, ImagesAreMountedReadOnly) {
  const std::string target = output("mount box");
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
  EXPECT_EQ(leftovers(), "");
}

TEST_F(CommitTest, ADirectoryOfTheUsersIsKept) {
  make_dir_at(dir_.fd(), "mine", 0755);
  EXPECT_EQ(output("mount box " + dir_.path("mine")), dir_.path("mine"));
  EXPECT_EQ(tool("mount box " + dir_.path("mine")).exit_code, 1);
  EXPECT_EQ(output("unmount " + dir_.path("mine")), dir_.path("mine"));
  EXPECT_TRUE(std::filesystem::exists(dir_.path("mine")));
  EXPECT_EQ(output("mount box " + dir_.path("made")), dir_.path("made"));
  output("unmount " + dir_.path("made"));
  EXPECT_FALSE(std::filesystem::exists(dir_.path("made")));
}

TEST_F(CommitTest, ContainersAreMountedAsTheyAre) {
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
  EXPECT_EQ(leftovers(), "");
}

}  // namespace
}  // namespace layerkit::testing
