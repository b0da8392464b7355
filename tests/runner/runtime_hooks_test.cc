#include "runtime_fixture.h"

namespace layerkit::testing {
namespace {

class RuntimeHooksTest : public RuntimeTest {
 protected:
  static Json shell_hook(const std::string& text) {
    Json hook;
    hook["path"] = "/bin/sh";
    hook["args"] = std::vector<std::string>{"sh", "-c", text};
    return hook;
  }

  /// A hook of each kind that keeps its input and notes its turn.
  Json with_all_hooks(Json config) const {
    for (const char* kind :
         {"prestart", "createRuntime", "createContainer", "poststart", "poststop"}) {
      config["hooks"][kind] = {
          shell_hook(fmt::format("cat > {0}; echo {1} >> {2}", path(kind), kind, path("order")))};
    }
    config["hooks"]["startContainer"] = {
        shell_hook("cat > /tmp/startContainer; echo startContainer >> /tmp/order")};
    config["mounts"].push_back(
        mount_json("/tmp", "bind", path("").substr(0, path("").size() - 1), {"bind"}));
    return config;
  }

  Json said_to(const std::string& kind) const { return Json::parse(read_text(path(kind))); }
};

TEST_F(RuntimeHooksTest, AllKindsRunInTheirOrder) {
  Json config = with_all_hooks(script("echo process >> /tmp/order; sleep 1000000"));
  // The program and the poststart hook run at the same time.
  config["hooks"]["poststart"][0] =
      shell_hook("cat > " + path("poststart") + "; while ! grep -q process " + path("order") +
                 "; do :; done; echo poststart >> " + path("order"));
  create(config);
  EXPECT_EQ(read_text(path("order")), "prestart\ncreateRuntime\ncreateContainer\n");
  runtime().start(id(), context());
  EXPECT_EQ(read_text(path("order")),
            "prestart\ncreateRuntime\ncreateContainer\nstartContainer\nprocess\npoststart\n");
  runtime().remove(id(), true, context());
  EXPECT_TRUE(read_text(path("order")).ends_with("process\npoststart\npoststop\n"));
  EXPECT_TRUE(warnings().empty());
}

TEST_F(RuntimeHooksTest, HooksAreToldTheState) {
  Json config = with_all_hooks(idle());
  config["annotations"]["who"] = "me";
  const auto process = start(config);
  runtime().remove(id(), true, context());
  const std::map<std::string, std::string> statuses = {
      {"prestart", "created"},       {"createRuntime", "creating"}, {"createContainer", "creating"},
      {"startContainer", "created"}, {"poststart", "running"},      {"poststop", "stopped"}};
  for (const auto& [kind, status] : statuses) {
    const Json state = said_to(kind);
    EXPECT_EQ(state["status"], status) << kind;
    EXPECT_EQ(state["id"], id()) << kind;
    EXPECT_EQ(state["ociVersion"], "1.2.0") << kind;
    EXPECT_EQ(state["pid"], kind == "poststop" ? 0 : process->pid()) << kind;
    EXPECT_EQ(state["bundle"], path("bundle-" + id())) << kind;
    EXPECT_EQ(state["annotations"]["who"], "me") << kind;
  }
}

TEST_F(RuntimeHooksTest, HooksOfOneKindRunInTheOrderOfTheList) {
  Json config = idle();
  for (const char* kind : {"createRuntime", "createContainer", "poststart", "poststop"}) {
    for (const char* word : {"a", "b", "c"})
      config["hooks"][kind].push_back(shell_hook(fmt::format("echo {} >> {}", word, path(kind))));
  }
  start(config);
  runtime().remove(id(), true, context());
  for (const char* kind : {"createRuntime", "createContainer", "poststart", "poststop"})
    EXPECT_EQ(read_text(path(kind)), "a\nb\nc\n") << kind;
}

/// The mounts of the container are there, and so are the host's files.
TEST_F(RuntimeHooksTest, CreateContainerHooksHaveTheMountNamespaceAndTheHostsRoot) {
  write_text(path("host-file"), "seen");
  Json config = idle();
  config["hooks"]["createRuntime"] = {
      shell_hook("readlink /proc/self/ns/mnt > " + path("runtime-ns") +
                 "; cat /proc/self/mountinfo > " + path("runtime-mounts"))};
  config["hooks"]["createContainer"] = {shell_hook(
      "readlink /proc/self/ns/mnt > " + path("container-ns") + "; cat /proc/self/mountinfo > " +
      path("container-mounts") + "; cat " + path("host-file") + " > " + path("copy"))};
  const auto process = create(config);
  const auto own = std::filesystem::read_symlink("/proc/self/ns/mnt").string() + "\n";
  const auto theirs =
      std::filesystem::read_symlink(fmt::format("/proc/{}/ns/mnt", process->pid())).string() + "\n";
  EXPECT_EQ(read_text(path("runtime-ns")), own);
  EXPECT_EQ(read_text(path("container-ns")), theirs);
  EXPECT_EQ(read_text(path("copy")), "seen");
  const std::string devpts = " " + rootfs().path("dev/pts") + " ";
  EXPECT_NE(read_text(path("container-mounts")).find(devpts), std::string::npos);
  EXPECT_EQ(read_text(path("runtime-mounts")).find(devpts), std::string::npos);
}

/// A mount that such a hook makes below the root file system is the container's.
TEST_F(RuntimeHooksTest, WhatACreateContainerHookMountsIsInTheContainer) {
  make_dirs(path("volume"), 0755);
  write_text(path("volume/file"), "mounted by the hook");
  Json config = script("cat /home/file");
  config["hooks"]["createContainer"] = {
      shell_hook("mount --bind " + path("volume") + " " + rootfs().path("home"))};
  EXPECT_EQ(run(config).output, "mounted by the hook");
}

TEST_F(RuntimeHooksTest, StartContainerHooksRunInTheContainerBeforeTheProgram) {
  Json config = script("cat /tmp/hook; hostname");
  config["process"]["env"].push_back("FROM=process");
  config["hooks"]["startContainer"] = {
      shell_hook("echo \"$FROM $(ls /) $(busybox hostname)\" > /tmp/hook")};
  config["process"]["args"] = std::vector<std::string>{"cat", "/tmp/hook"};
  EXPECT_EQ(run(config).output, "process bin\ndev\netc\nhome\nproc\nsys\ntmp box\n");
}

TEST_F(RuntimeHooksTest, TheContainersSeccompFilterHoldsForStartContainerHooks) {
  Json config = idle();
  Json rule;
  rule["names"] = {"mkdir", "mkdirat"};
  rule["action"] = "SCMP_ACT_ERRNO";
  rule["errnoRet"] = EXDEV;
  config["linux"]["seccomp"]["defaultAction"] = "SCMP_ACT_ALLOW";
  config["linux"]["seccomp"]["syscalls"] = {rule};
  config["hooks"]["startContainer"] = {shell_hook("busybox mkdir /tmp/made")};
  EXPECT_EQ(refusal_of(config),
            "error running startContainer hook #0: '/bin/sh': exit status 1, output: mkdir: can't "
            "create directory '/tmp/made': Invalid cross-device link");
}

TEST_F(RuntimeHooksTest, AFailingHookBeforeTheStartEndsTheContainer) {
  for (const std::string kind :
       {"prestart", "createRuntime", "createContainer", "startContainer", "poststart"}) {
    Json config = idle();
    config["hooks"][kind] = {shell_hook("exit 0"), shell_hook("echo what it said >&2; exit 3")};
    config["hooks"]["poststop"] = {shell_hook("echo poststop >> " + path(kind + "-stopped"))};
    EXPECT_EQ(refusal_of(config),
              "error running " + kind + " hook #1: '/bin/sh': exit status 3, output: what it said");
  }
  // Once hooks had run, those that clean up after them do.
  for (const char* kind : {"createRuntime", "createContainer"})
    EXPECT_EQ(read_text(path(fmt::format("{}-stopped", kind))), "poststop\n") << kind;
  EXPECT_EQ(read_text(path("startContainer-stopped")), "poststop\n");
  EXPECT_EQ(read_text(path("poststart-stopped")), "poststop\n");
}

TEST_F(RuntimeHooksTest, TheFirstThatFailsIsTheLastThatRuns) {
  Json config = idle();
  config["hooks"]["createRuntime"] = {shell_hook("exit 1"), shell_hook("echo > " + path("ran"))};
  refusal_of(config);
  EXPECT_FALSE(std::filesystem::exists(path("ran")));
}

TEST_F(RuntimeHooksTest, AHookThatIsKilledOrDoesNotExistIsNamed) {
  for (const std::string kind : {"createRuntime", "createContainer", "poststart"}) {
    Json config = idle();
    config["hooks"][kind] = {shell_hook("kill -KILL $$")};
    EXPECT_EQ(refusal_of(config),
              "error running " + kind + " hook #0: '/bin/sh': killed by signal 9 (killed)");
    config["hooks"][kind][0]["path"] = "/no/such/hook";
    EXPECT_EQ(refusal_of(config),
              "error running " + kind + " hook #0: '/no/such/hook': No such file or directory");
  }
}

/// Takes a second for each kind: no timeout is shorter.
TEST_F(RuntimeHooksTest, AHookThatTakesTooLongIsKilled) {
  for (const std::string kind : {"createRuntime", "createContainer", "startContainer"}) {
    Json config = idle();
    config["hooks"][kind] = {shell_hook("exec sleep 1000000")};
    config["hooks"][kind][0]["timeout"] = 1;
    EXPECT_EQ(refusal_of(config),
              "error running " + kind + " hook #0: '/bin/sh': it took longer than its timeout");
  }
}

TEST_F(RuntimeHooksTest, AFailingPoststopHookIsAWarning) {
  Json config = idle();
  config["hooks"]["poststop"] = {shell_hook("exit 4"), shell_hook("echo ran > " + path("second"))};
  start(config);
  runtime().remove(id(), true, context());
  ASSERT_EQ(warnings().size(), 1U);
  EXPECT_EQ(warnings().front(), "poststop hook failed with exit code 4: '/bin/sh'");
  EXPECT_EQ(read_text(path("second")), "ran\n");
}

TEST_F(RuntimeHooksTest, WithoutEnvTheCallersIsInherited) {
  ::setenv("LAYERKIT_TEST_HOOK", "inherited", 1);  // NOLINT(concurrency-mt-unsafe): one thread
  Json config = idle();
  for (const char* kind : {"createRuntime", "createContainer"}) {
    // A shell would make more of it.
    const auto copy_environment = [&](const char* to) {
      Json hook;
      hook["path"] = kBusybox;
      hook["args"] = {"busybox", "cp", "/proc/self/environ", fmt::format("{}{}", path(kind), to)};
      return hook;
    };
    config["hooks"][kind].push_back(copy_environment(""));
    Json hook = copy_environment("-empty");
    hook["env"] = Json::array();
    config["hooks"][kind].push_back(hook);
    hook = copy_environment("-own");
    hook["env"] = std::vector<std::string>{"OWN=1"};
    config["hooks"][kind].push_back(hook);
  }
  create(config);
  ::unsetenv("LAYERKIT_TEST_HOOK");  // NOLINT(concurrency-mt-unsafe): one thread
  for (const std::string kind : {"createRuntime", "createContainer"}) {
    EXPECT_NE(read_text(path(kind)).find("LAYERKIT_TEST_HOOK=inherited"), std::string::npos);
    EXPECT_EQ(read_text(path(kind + "-empty")), "");
    EXPECT_EQ(read_text(path(kind + "-own")), std::string("OWN=1") + '\0');
  }
}

TEST_F(RuntimeHooksTest, AHookHasItsInputAndOutputAndNoOtherDescriptor) {
  const int leak = ::open("/", O_RDONLY | O_DIRECTORY);  // NOLINT(android-cloexec-open)
  Json config = idle();
  for (const char* kind : {"createRuntime", "createContainer"})
    config["hooks"][kind] = {
        shell_hook("for each in 3 4 5 6 7 8 9 10 11 12; do "
                   "[ -e /proc/$$/fd/$each ] && echo $each >> " +
                   path(kind) + "; done; echo end >> " + path(kind))};
  create(config);
  ::close(leak);
  for (const char* kind : {"createRuntime", "createContainer"}) {
    EXPECT_EQ(read_text(path(kind)), "end\n") << kind;
  }
}

TEST_F(RuntimeHooksTest, ArgsDefaultToThePath) {
  write_text(path("hook"), "#!/bin/sh\necho \"$0 $#\" > " + path("said") + "\n", 0755);
  Json config = idle();
  config["hooks"]["createRuntime"][0]["path"] = path("hook");
  create(config);
  EXPECT_EQ(read_text(path("said")), path("hook") + " 0\n");
}

}  // namespace
}  // namespace layerkit::testing
