#include <sys/stat.h>
#include <unistd.h>

#include "container_fixture.h"

namespace layerkit::testing {
namespace {

/// Networks in a directory of the test's own, with the installed plugins or with scripts.
class NetworkTest : public ContainerTest {
 protected:
  void SetUp() override {
    ContainerTest::SetUp();
    if (IsSkipped()) return;
    make_dir_at(dir_.fd(), "net.d", 0755);
    make_dir_at(dir_.fd(), "plugins", 0755);
    ::setenv("NETCONFPATH", dir_.path("net.d").c_str(), 1);
  }
  void TearDown() override {
    ContainerTest::TearDown();
    ::unsetenv("NETCONFPATH");
    ::unsetenv("CNI_PATH");
    if (bridge_.empty()) return;
    run_command("ip link del " + bridge_);
    std::filesystem::remove_all("/var/lib/cni/networks/" + name_);
  }

  void write_list(const std::string& text) {
    write_file_at(dir_.fd(), "net.d/10.conflist", text, 0644);
  }
  /// A plugin that notes what it is asked, and then does `act`.
  void write_plugin(const std::string& name, const std::string& act) {
    const std::string path = "plugins/" + name;
    write_file_at(dir_.fd(), path,
                  "#!/bin/sh\nconfig=$(cat)\necho \"" + name + " $CNI_COMMAND\" >> " +
                      dir_.path("calls") + "\necho \"$config\" > " + dir_.path("config-" + name) +
                      "-$CNI_COMMAND\n" + act + "\n",
                  0755);
    ::chmod(dir_.path(path).c_str(), 0755);
    ::setenv("CNI_PATH", dir_.path("plugins").c_str(), 1);
  }
  std::string calls() {
    std::string text = read_file_at(dir_.fd(), "calls", 1 << 20);
    std::filesystem::remove(dir_.path("calls"));
    return text;
  }
  nlohmann::json config_of(const std::string& plugin_and_command) {
    return nlohmann::json::parse(read_file_at(dir_.fd(), "config-" + plugin_and_command, 1 << 20));
  }
  void write_two_plugins() {
    write_list(R"({"cniVersion":"1.0.0","name":"lan","plugins":[{"type":"first"},
      {"type":"second","capabilities":{"portMappings":true}}]})");
    write_plugin("first", R"([ $CNI_COMMAND != ADD ] || echo '{"cniVersion":"1.0.0","n":1}')");
    write_plugin("second", R"([ $CNI_COMMAND != ADD ] ||
      echo '{"cniVersion":"1.0.0","ips":[{"address":"10.9.8.7/24","gateway":"10.9.8.1"}]}')");
  }

  /// A program that is asked to stop while it starts a container.
  CommandResult stop_while_starting(const std::string& arguments, const std::string& signals) {
    return run_command(program() + " " + arguments + " & pid=$!; until test -e " +
                       dir_.path("calls") + "; do sleep 0.05; done; " + signals +
                       "wait $pid; echo $?");
  }

  /// The installed plugins, with a bridge of this test's own; false where they do not work here.
  bool make_bridge(bool publishes) {
    name_ = "lk" + random_hex(8);
    // What a run that was killed left behind must not be in the way of the next.
    const std::string digits = random_hex(4);
    subnet_ = fmt::format("10.{}.{}.", 128 + std::stoi(digits.substr(0, 2), nullptr, 16) / 2,
                          std::stoi(digits.substr(2), nullptr, 16));
    const CommandResult made = tool("network create --subnet " + subnet_ + "0/24 " + name_);
    EXPECT_EQ(made.exit_code, 0) << made.output;
    const std::string file = "net.d/" + name_ + ".conflist";
    auto list = nlohmann::json::parse(read_file_at(dir_.fd(), file, 1 << 20));
    bridge_ = list["plugins"][0]["bridge"];
    if (publishes) return ::system("iptables -t nat -L >/dev/null 2>&1") == 0;
    list["plugins"][0]["ipMasq"] = false;
    list["plugins"].erase(1);
    std::filesystem::remove(dir_.path(file));
    write_file_at(dir_.fd(), file, list.dump(), 0644);
    return true;
  }
  static bool has_plugins() { return ::access("/usr/lib/cni/bridge", X_OK) == 0; }

  std::string name_;
  std::string bridge_;
  std::string subnet_;  ///< "10.1.2."
};

bool has_network_namespace(const std::string& id) {
  return ::access(("/run/layerkit/netns/" + id).c_str(), F_OK) == 0;
}

TEST_P(NetworkTest, PluginsAreCalledInOrderAndBackwards) {
  write_two_plugins();
  EXPECT_EQ(run_output("--name one --network lan -h box1 -p 127.0.0.1:8080:80 --dns 10.9.9.9 box "
                       "sh -c 'tail -n 1 /etc/hosts; cat /etc/resolv.conf | head -n 1'"),
            "10.9.8.7\tbox1\nnameserver 10.9.9.9");
  EXPECT_EQ(calls(), "first ADD\nsecond ADD\nsecond DEL\nfirst DEL\n");
  const auto added = config_of("second-ADD");
  EXPECT_EQ(added["name"], "lan");
  EXPECT_EQ(added["cniVersion"], "1.0.0");
  EXPECT_EQ(added["prevResult"]["n"], 1);
  EXPECT_EQ(added["runtimeConfig"]["portMappings"][0]["hostPort"], 8080);
  EXPECT_EQ(added["runtimeConfig"]["portMappings"][0]["hostIP"], "127.0.0.1");
  EXPECT_FALSE(config_of("first-ADD").contains("prevResult"));
  EXPECT_FALSE(config_of("first-ADD").contains("runtimeConfig"));
  EXPECT_EQ(config_of("first-DEL")["prevResult"]["ips"][0]["address"], "10.9.8.7/24");
  EXPECT_EQ(inspect("one")["HostConfig"]["NetworkMode"], "lan");
  EXPECT_EQ(inspect("one")["NetworkSettings"]["IPAddress"], "");
  const std::string id = inspect("one")["Id"];
  tool("rm one");
  EXPECT_FALSE(has_network_namespace(id));
  EXPECT_EQ(leftovers(), "");
}

TEST_P(NetworkTest, WhatAPluginRefusesIsUndoneAndSaid) {
  write_two_plugins();
  write_plugin("second", R"([ $CNI_COMMAND != ADD ] || {
    echo '{"cniVersion":"1.0.0","code":7,"msg":"no such thing","details":"at all"}'; exit 1; })");
  expect("--network lan box true", 125,
         "connecting to network 'lan': plugin 'second' (ADD): no such thing: at all");
  EXPECT_EQ(calls(), "first ADD\nsecond ADD\nsecond DEL\nfirst DEL\n");
  write_plugin("second", "echo broken >&2; exit 3");
  expect("--network lan box true", 125, "it ended with 3: broken");
  write_plugin("second", "[ $CNI_COMMAND != ADD ] || echo nonsense");
  expect("--network lan box true", 125, "the result of plugin 'second'");
  EXPECT_EQ(leftovers(), "");
}

TEST_P(NetworkTest, ADisconnectedNetworkFollowsAStartThatFails) {
  write_two_plugins();
  expect("--network lan box /no/such/program", 127, "/no/such/program");
  EXPECT_EQ(calls(), "first ADD\nsecond ADD\nsecond DEL\nfirst DEL\n");
  EXPECT_EQ(leftovers(), "");
}

TEST_P(NetworkTest, AStartThatTakesLongEndsWithTheUsersSignal) {
  write_two_plugins();
  write_plugin("first", "[ $CNI_COMMAND != ADD ] || exec sleep 1000");
  const auto result = stop_while_starting(run_command_line() + "-d --network lan box sleep 1000",
                                          "kill -INT $pid; ");
  EXPECT_TRUE(result.output.ends_with("interrupted\n130\n")) << result.output;
  EXPECT_EQ(calls(), "first ADD\nsecond DEL\nfirst DEL\n");
  expect_soon_nothing_left();
}

TEST_P(NetworkTest, WhatCannotBeConnectedIsRefused) {
  expect("--network nosuch box true", 125, "network 'nosuch' not found");
  expect("--network container:x box true", 125, "not supported");
  expect("-p 80:80 box true", 125, "port publishing and the network mode");
  expect("--network host -p 80:80 box true", 125, "port publishing and the network mode");
  write_list(R"({"cniVersion":"1.0.0","name":"lan","plugins":[{"type":"nosuchplugin"}]})");
  expect("--network lan box true", 125, "no such plugin in");
  expect("--network lan -p 80:80 box true", 125, "cannot publish ports");
  EXPECT_EQ(leftovers(), "");
}

TEST_P(NetworkTest, ACrashedContainerIsDisconnectedLater) {
  write_two_plugins();
  run_output("-d --name one --network lan -p 7777:80 box sleep 1000");
  EXPECT_EQ(inspect("one")["NetworkSettings"]["IPAddress"], "10.9.8.7");
  EXPECT_EQ(output("ps --format '{{.Ports}}'"), "0.0.0.0:7777->80/tcp");
  const std::string id = inspect("one")["Id"];
  EXPECT_TRUE(has_network_namespace(id));
  const std::string record = dir_.path("images/containers/") + id;
  const auto state = nlohmann::json::parse(read_file_at(AT_FDCWD, record + "/state.json", 1 << 16));
  const pid_t init = inspect("one")["State"]["Pid"];
  kill_and_await(state["monitor"]["pid"]);
  kill_and_await(init);
  EXPECT_EQ(calls(), "first ADD\nsecond ADD\n");
  tool("ps -a");
  EXPECT_EQ(calls(), "second DEL\nfirst DEL\n");
  tool("rm one");
  EXPECT_FALSE(has_network_namespace(id));
}

TEST_P(NetworkTest, ABridgeGivesAnAddressAndAWayToTheHost) {
  if (!has_plugins()) GTEST_SKIP() << "needs containernetworking-plugins";
  make_bridge(false);
  run_output("-d --name one --network " + name_ + " box sleep 1000");
  const auto settings = inspect("one")["NetworkSettings"];
  EXPECT_TRUE(settings["IPAddress"].get<std::string>().starts_with(subnet_)) << settings;
  EXPECT_EQ(settings["Gateway"], subnet_ + "1");
  EXPECT_EQ(tool("network check one").exit_code, 0);
  expect("--rm --sysctl net.ipv4.conf.eth0.forwarding=1 --network " + name_ +
             " box busybox ping -c 1 " + subnet_ + "1",
         0, "1 packets received");
  expect("--rm --network " + name_ + " box busybox ping -c 1 " +
             settings["IPAddress"].get<std::string>(),
         0, "1 packets received");
  EXPECT_NE(tool("network rm " + name_).exit_code, 0);
  EXPECT_EQ(tool("rm -f one").exit_code, 0);
  // host-local keeps one file for each address that is given out.
  EXPECT_EQ(run_command("ls /var/lib/cni/networks/" + name_ + " | grep -c ^10").output, "0\n");
  EXPECT_EQ(tool("network rm " + name_).output, name_ + "\n");
  expect_soon_nothing_left();
}

TEST_P(NetworkTest, APublishedPortLeadsIntoTheContainer) {
  if (!has_plugins()) GTEST_SKIP() << "needs containernetworking-plugins";
  if (!make_bridge(true)) GTEST_SKIP() << "needs iptables with nat";
  run_output("-d --name one -p 80 --network " + name_ +
             " box sh -c 'while :; do echo hello | busybox nc -l -p 80; done'");
  const std::string port = inspect("one")["NetworkSettings"]["Ports"]["80/tcp"][0]["HostPort"];
  const std::string address = run_command("ip -4 -o addr show " + bridge_ +
                                          " | sed 's/.*inet \\([0-9.]*\\).*/\\1/' | tr -d '\\n'")
                                  .output;
  EXPECT_EQ(run_command("for i in $(seq 100); do busybox nc -w 5 " + address + " " + port +
                        " </dev/null && exit 0; sleep 0.1; done; exit 1")
                .output,
            "hello\n");
  tool("rm -f one");
  EXPECT_EQ(
      run_command("iptables -t nat -S 2>/dev/null | grep -c -- '--dport " + port + " '").output,
      "0\n");
}

INSTANTIATE_TEST_SUITE_P(Backends, NetworkTest, kMountChoices, name_of);

}  // namespace
}  // namespace layerkit::testing
