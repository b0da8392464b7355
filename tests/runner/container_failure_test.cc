#include <sys/wait.h>

#include "expect_error.h"
#include "runner_fixture.h"

namespace layerkit::testing {
namespace {

/// Also: whatever fails leaves no process (the fixture looks for cgroups).
class ContainerFailureTest : public ContainerTest {
 protected:
  void TearDown() override {
    ContainerTest::TearDown();
    EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "a child was left";
  }
};

TEST_F(ContainerFailureTest, AMissingProgramIs127) {
  const Refusal refusal = refused(rootfs(), spec_of({"nonsense"}));
  EXPECT_EQ(refusal.message, "executing 'nonsense': executable file not found in $PATH");
  EXPECT_EQ(refusal.code, Errc::NotFound);
  EXPECT_EQ(refusal.failure, StartFailure::NotFound);
}

TEST_F(ContainerFailureTest, AMissingPathIs127) {
  const Refusal refusal = refused(rootfs(), spec_of({"/bin/nonsense"}));
  EXPECT_EQ(refusal.message, "executing '/bin/nonsense': no such file or directory");
  EXPECT_EQ(refusal.failure, StartFailure::NotFound);
}

TEST_F(ContainerFailureTest, ADirectoryIs126) {
  const Refusal refusal = refused(rootfs(), spec_of({"/etc"}));
  EXPECT_EQ(refusal.message, "executing '/etc': permission denied");
  EXPECT_EQ(refusal.failure, StartFailure::NotExecutable);
}

TEST_F(ContainerFailureTest, AFileWithoutExecuteBitIs126) {
  rootfs().write("bin/data", "#!/bin/sh\n", 0644);
  const Refusal refusal = refused(rootfs(), spec_of({"data"}));
  EXPECT_EQ(refusal.message, "executing '/bin/data': permission denied");
  EXPECT_EQ(refusal.failure, StartFailure::NotExecutable);
}

TEST_F(ContainerFailureTest, AFormatTheKernelDoesNotKnowIs126) {
  rootfs().write("bin/data", "nonsense", 0755);
  const Refusal refusal = refused(rootfs(), spec_of({"data"}));
  EXPECT_EQ(refusal.message,
            "executing '/bin/data': exec format error: it is neither a program of this system nor "
            "a script "
            "that begins with #!");
  EXPECT_EQ(refusal.failure, StartFailure::NotExecutable);
}

TEST_F(ContainerFailureTest, AMissingScriptInterpreterIsNamed) {
  rootfs().write("bin/script", "#! /usr/bin/python3 -u\n", 0755);
  const Refusal refusal = refused(rootfs(), spec_of({"script"}));
  EXPECT_EQ(refusal.message,
            "executing '/bin/script': no such file or directory: its interpreter or loader "
            "'/usr/bin/python3' does not exist "
            "in the container");
  EXPECT_EQ(refusal.failure, StartFailure::NotFound);
}

TEST_F(ContainerFailureTest, AMissingLoaderIsNamedAlsoBehindAScript) {
  // The test itself is a dynamic program, and the rootfs has no loader.
  std::filesystem::copy_file("/proc/self/exe", rootfs().path("bin/dynamic"));
  rootfs().write("bin/script", "#!/bin/dynamic\n", 0755);
  for (const std::string program : {"dynamic", "script"}) {
    const Refusal refusal = refused(rootfs(), spec_of({program}));
    EXPECT_TRUE(refusal.message.starts_with(
        "executing '/bin/" + program +
        "': no such file or directory: its interpreter or loader '/lib"))
        << refusal.message;
    EXPECT_EQ(refusal.failure, StartFailure::NotFound);
  }
}

TEST_F(ContainerFailureTest, LaterDirectoriesOfPathAreTried) {
  rootfs().write("etc/sh", "not executable", 0644);
  ContainerSpec spec = shell("echo found");
  spec.process.env = {"PATH=/absent:/etc/passwd:/etc::relative:/bin"};
  EXPECT_EQ(run(rootfs(), std::move(spec)).output, "found\n");
}

TEST_F(ContainerFailureTest, ARelativePathIsRelativeToTheWorkingDirectory) {
  ContainerSpec spec = spec_of({"./sh", "-c", "echo found"});
  spec.process.cwd = "/bin";
  EXPECT_EQ(run(rootfs(), std::move(spec)).output, "found\n");
}

TEST_F(ContainerFailureTest, AMissingRootfsIsAnError) {
  expect_error(Errc::Invalid, "starting the container: it has no root file system",
               [] { start_container(shell("true"), Fd(), nullptr, Context{}); });
}

TEST_F(ContainerFailureTest, ARootfsThatIsNotDetachedIsAnError) {
  StartFailure failure = StartFailure::NotFound;
  expect_error(Errc::Io, "the root file system", [&] {
    start_container(shell("true"), rootfs().detach(), &failure, Context{});
    start_container(shell("true"), open_dir_at(AT_FDCWD, rootfs().path()), &failure, Context{});
  });
  EXPECT_EQ(failure, StartFailure::Setup);
}

TEST_F(ContainerFailureTest, UnknownCapabilitiesAreAnError) {
  ContainerSpec spec = shell("true");
  spec.process.capabilities = capabilities_of({"CAP_NONSENSE"}, 0);
  EXPECT_EQ(refused(rootfs(), std::move(spec)).message,
            "reading capability 'CAP_NONSENSE': no such capability");
}

TEST_F(ContainerFailureTest, AnInterruptedCallerStartsNothing) {
  const std::atomic<bool> interrupted = true;
  Context context;
  context.interrupted = &interrupted;
  try {
    start_container(shell("true"), rootfs().detach(), nullptr, context);
    ADD_FAILURE() << "it started";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::Interrupted);
  }
}

TEST_F(ContainerFailureTest, AnOomScoreThatIsRefusedIsNamed) {
  ContainerSpec spec = shell("true");
  spec.process.oom_score_adj = -1001;
  EXPECT_EQ(refused(rootfs(), std::move(spec)).message,
            "reading oom_score_adj -1001: not in -1000..1000");
}

}  // namespace
}  // namespace layerkit::testing
