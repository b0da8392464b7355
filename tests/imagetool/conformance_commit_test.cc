#include <sys/stat.h>

#include <algorithm>

#include "container_fixture.h"

namespace layerkit::testing {
namespace {

using Names = std::vector<std::string>;

/// What a commit puts into an image, rule by rule; tests are named by the rule's number and what
/// it protects.
class ConformanceOfCommits : public ContainerTest {};

TEST_P(ConformanceOfCommits, X06_UnchangedCopyUpsGoWhenAsked) {
  run_output(
      "--name cc box sh -c 'echo 3 > /opt/version; touch -r /etc/group /tmp-ref; "
      "cat /dev/null >> /etc/group; touch -r /tmp-ref /etc/group; rm /tmp-ref'");
  output("commit cc all");
  EXPECT_EQ(top_layer_names("all"), (Names{"+etc", "+etc/group", "+opt", "+opt/version"}));
  output("commit --drop-unchanged cc few");
  EXPECT_EQ(top_layer_names("few"), (Names{"+opt", "+opt/version"}));
}

TEST_P(ConformanceOfCommits, X07_NamesThatNoLayerCanHoldAreRefusedOrDroppedAloud) {
  if (is_fuse()) return expect("--name cc box touch /opt/.wh.x", 1, "Operation not permitted");
  run_output("--name cc box sh -c 'echo > /opt/.wh.x; echo > /opt/y'");
  const CommandResult refused = tool("commit cc out");
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_NE(refused.output.find("reading '/opt/.wh.x': names starting with '.wh.'"),
            std::string::npos)
      << refused.output;
  EXPECT_EQ(tool("inspect out").exit_code, 1);
  const CommandResult dropped = tool("commit --allow-drop cc out");
  EXPECT_EQ(dropped.exit_code, 0) << dropped.output;
  EXPECT_NE(dropped.output.find("leaving out 'opt/.wh.x'"), std::string::npos) << dropped.output;
  EXPECT_EQ(top_layer_names("out"), (Names{"+opt", "+opt/y"}));
}

TEST_P(ConformanceOfCommits, X09_SourceDateEpochMakesEverythingReproducible) {
  run_output("--name c1 box sh -c 'echo 5 > /opt/version; mkdir /new'");
  run_output("--name c2 box sh -c 'echo 5 > /opt/version; sleep 1; mkdir /new'");
  std::vector<std::string> archives;
  for (const std::string name : {"c1", "c2"}) {
    const auto committed = run_command("SOURCE_DATE_EPOCH=1600000000 " + program() +
                                       " commit -c 'CMD x' " + name + " " + name + ":1");
    ASSERT_EQ(committed.exit_code, 0) << committed.output;
    for (const Entry& entry : top_layer(name + ":1")) {
      EXPECT_LE(entry.mtime, (Timestamp{1'600'000'000, 0})) << entry.path.str();
    }
    const auto config = images().find(name + ":1").image.config();
    EXPECT_EQ(config["created"], "2020-09-13T12:26:40Z");
    EXPECT_EQ(config["history"].back()["created"], "2020-09-13T12:26:40Z");
  }
  EXPECT_EQ(images().find("c1:1").image.diff_ids(), images().find("c2:1").image.diff_ids());
  // What is saved has no time of its own: the same image gives the same bytes at any time.
  for (const char* format : {"docker-archive", "oci-archive"}) {
    Names bytes;
    for (const char* file : {"one", "two"}) {
      output(fmt::format("save --format {} -o {} c1:1", format, dir_.path(file)));
      bytes.push_back(read_file_at(AT_FDCWD, dir_.path(file), 64 << 20));
    }
    EXPECT_TRUE(bytes[0] == bytes[1]) << format;
  }
}

TEST_P(ConformanceOfCommits, X10_WhatTheRuntimePutThereIsNoChange) {
  add_image("volumes", R"({"Cmd":["sh"],"Env":["PATH=/bin"],"Volumes":{"/vol":{}}})");
  run_output(
      "--name cc -v /tmp:/mnt/a --tmpfs /t volumes sh -c 'echo s > /vol/secret; "
      "echo x > /t/x; echo y > /dev/shm/y; echo 1.2.3.4 a >> /etc/hosts; echo k > /kept'");
  output("commit cc out");
  const Names found = top_layer_names("out");
  EXPECT_EQ(std::count(found.begin(), found.end(), "+kept"), 1);
  for (const std::string& name : found) {
    for (const char* forbidden :
         {"+.dockerenv", "+dev/", "+proc/", "+sys/", "+vol/secret", "+t/x", "+mnt/a/"}) {
      EXPECT_FALSE(name.starts_with(forbidden)) << name;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Backends, ConformanceOfCommits, kMountChoices, name_of);

}  // namespace
}  // namespace layerkit::testing
