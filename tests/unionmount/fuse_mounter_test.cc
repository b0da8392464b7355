#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "control/unmount_union.h"
#include "expect_error.h"
#include "layerkit/unionmount/fuse_mount.h"
#include "layerkit/unionmount/mount_info.h"
#include "layerkit/unionmount/union_client.h"
#include "private_mounts.h"
#include "temp_dir.h"
#include "union_fixture.h"

namespace layerkit {
namespace {

using testing::contents_of;
using testing::expect_error;
using testing::make_branch;
using testing::put;

/// The union of A (writable) over B; has a /run of its own.
class FuseMounterTest : public testing::PrivateMountsTest {
 protected:
  void SetUp() override {
    PrivateMountsTest::SetUp();
    if (IsSkipped()) return;
    if (!may_mount_fuse()) GTEST_SKIP() << "needs /dev/fuse";
    if (::access(UNIONMOUNT_PROGRAM, X_OK) != 0) GTEST_SKIP() << "needs " << UNIONMOUNT_PROGRAM;
    ASSERT_EQ(::mount("tmpfs", "/run", "tmpfs", 0, "mode=0755"), 0) << errno_text(errno);
    spec_.whiteouts = WhiteoutFormat::Aufs;
    spec_.branches.push_back(make_branch(dir_.path("A"), BranchAccess::ReadWrite));
    spec_.branches.push_back(make_branch(dir_.path("B")));
    put(dir_.path("A/a"), "of A");
    put(dir_.path("B/b"), "of B");
    options_.server_command = {UNIONMOUNT_PROGRAM, "serve-union"};
  }
  void TearDown() override {
    if (!IsSkipped()) ::umount2("/run", MNT_DETACH | UMOUNT_NOFOLLOW);
  }

  /// Until the server and its supervisor have ended.
  static void await_end(const FuseMount& mount) {
    pollfd source{mount.server.get(), POLLIN, 0};
    while (::poll(&source, 1, -1) < 0 && errno == EINTR) {
    }
  }
  /// Until all threads of the process are in one of these states of proc(5).
  static void await_state(int pid, std::string_view states) {
    const auto state_of = [](const std::filesystem::path& task) {
      const std::string stat = read_file_at(AT_FDCWD, task / "stat", 4096);
      return stat.at(stat.rfind(") ") + 2);
    };
    for (const auto& task : std::filesystem::directory_iterator(fmt::format("/proc/{}/task", pid)))
      while (states.find(state_of(task.path())) == std::string_view::npos)
        ::sched_yield();
  }
  static UnionInfo only_union() {
    const auto unions = list_unions();
    EXPECT_EQ(unions.size(), 1U);
    return unions.empty() ? UnionInfo{} : unions.front();
  }
  /// What the process has open, without what every process has.
  static std::vector<std::string> open_files(int pid) {
    std::vector<std::string> files;
    for (const auto& entry : std::filesystem::directory_iterator(fmt::format("/proc/{}/fd", pid)))
      files.push_back(std::filesystem::read_symlink(entry.path()).string());
    return files;
  }

  testing::TempDir dir_;
  UnionSpec spec_;
  FuseMounterOptions options_;
};

TEST_F(FuseMounterTest, RefusesWhatOnlyOverlayCanDo) {
  spec_.overlay.metacopy = true;
  expect_error(Errc::Unsupported,
               "mounting a union of 2 branches by FUSE: a FUSE union has no files without their "
               "contents (metacopy=on), only overlayfs has",
               [this] { make_fuse_mounter(options_)->mount(spec_); });
  EXPECT_TRUE(list_unions().empty());
}

TEST_F(FuseMounterTest, ADetachedMountIsServed) {
  const DetachedMount mount = make_fuse_mounter(options_)->mount(spec_);
  const Fd root = open_dir_at(mount.fd(), ".");
  EXPECT_EQ(contents_of(root.get(), "b"), "of B");
  write_file_at(root.get(), "b", "changed", 0644);
  EXPECT_EQ(contents_of(AT_FDCWD, dir_.path("A/b")), "changed");
  EXPECT_EQ(contents_of(AT_FDCWD, dir_.path("B/b")), "of B");
}

TEST_F(FuseMounterTest, TheServerEndsWithADetachedMountThatIsDropped) {
  FuseMount mount = start_fuse_union(spec_, options_);
  EXPECT_EQ(only_union().id, mount.id);
  mount.mount.reset();
  await_end(mount);
  EXPECT_TRUE(list_unions().empty());
  EXPECT_TRUE(list_dir(open_dir_at(AT_FDCWD, "/run/aufs").get()).empty());
}

TEST_F(FuseMounterTest, TheCallerHasNoChildAndKeepsItsSignals) {
  const FuseMount mount = start_fuse_union(spec_, options_);
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
}

TEST_F(FuseMounterTest, TheServerInheritsNothingElse) {
  const Fd secret = open_at(AT_FDCWD, dir_.path("A/a"), O_RDONLY);
  // As a careless library would have it.
  ASSERT_EQ(::fcntl(secret.get(), F_SETFD, 0), 0);
  const FuseMount mount = start_fuse_union(spec_, options_);
  const int pid = only_union().pid;
  ASSERT_GT(pid, 0);
  for (const std::string& file : open_files(pid))
    EXPECT_NE(file, dir_.path("A/a"));
  EXPECT_EQ(std::filesystem::read_symlink(fmt::format("/proc/{}/cwd", pid)), "/");
  EXPECT_EQ(std::filesystem::read_symlink(fmt::format("/proc/{}/fd/1", pid)), "/dev/null");
  EXPECT_NE(::getsid(pid), ::getsid(0));
}

TEST_F(FuseMounterTest, WhoWaitsForAServerThatDoesNotAnswerCanBeFreed) {
  FuseMount mount = start_fuse_union(spec_, options_);
  const UnionInfo info = only_union();
  make_dir_at(AT_FDCWD, dir_.path("mnt"), 0755);
  DetachedMount(std::move(mount.mount))
      .attach(open_at(AT_FDCWD, dir_.path("mnt"), O_PATH).get(), dir_.path("mnt"));
  ASSERT_EQ(::kill(info.pid, SIGSTOP), 0);
  await_state(info.pid, "T");
  const std::string unknown = dir_.path("mnt/unknown");
  const pid_t waiting = ::fork();
  if (waiting == 0) ::_exit(::access(unknown.c_str(), F_OK) == 0 ? 0 : errno);
  await_state(waiting, "SD");
  abort_union(info.device);
  int status = 0;
  ASSERT_EQ(::waitpid(waiting, &status, 0), waiting);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_TRUE(WEXITSTATUS(status) == ENOTCONN || WEXITSTATUS(status) == ECONNABORTED)
      << WEXITSTATUS(status);
  ASSERT_EQ(::kill(info.pid, SIGCONT), 0);
  await_end(mount);
  EXPECT_FALSE(find_mount(dir_.path("mnt")));
}

TEST_F(FuseMounterTest, TheServersErrorIsThrown) {
  const FuseMount first = start_fuse_union(spec_, options_);
  expect_error(Errc::Busy, "another union writes to it",
               [&] { static_cast<void>(start_fuse_union(spec_, options_)); });
  EXPECT_EQ(list_unions().size(), 1U);
}

TEST_F(FuseMounterTest, AServerThatIsNoneIsAnError) {
  options_.server_command = {"/nonexistent/program"};
  expect_error(Errc::NotFound, "executing '/nonexistent/program'",
               [&] { static_cast<void>(start_fuse_union(spec_, options_)); });
  options_.server_command = {"/bin/true"};
  expect_error(Errc::Io, "the server of the union ended without a word",
               [&] { static_cast<void>(start_fuse_union(spec_, options_)); });
  options_.server_command = {};
  expect_error(Errc::Invalid, "no program is named",
               [&] { static_cast<void>(start_fuse_union(spec_, options_)); });
}

TEST_F(FuseMounterTest, OptionsAreSeenInTheMountTable) {
  options_.source = "a source";
  options_.access = FuseAccess::Everybody;
  options_.id = "abc123";
  spec_.no_suid = spec_.no_exec = true;
  FuseMount mount = start_fuse_union(spec_, options_);
  EXPECT_EQ(mount.id, "abc123");
  make_dir_at(AT_FDCWD, dir_.path("C"), 0755);
  DetachedMount(std::move(mount.mount))
      .attach(open_at(AT_FDCWD, dir_.path("C"), O_PATH).get(), dir_.path("C"));
  const auto info = find_mount(dir_.path("C"));
  ASSERT_TRUE(info);
  EXPECT_EQ(info->type, "fuse.aufs");
  EXPECT_EQ(info->source, "a source");
  EXPECT_EQ(info->options, "rw,nosuid,noexec,relatime");
  EXPECT_NE(info->super_options.find("default_permissions,allow_other"), std::string::npos);
  EXPECT_EQ(find_union(*info)->id, "abc123");
  EXPECT_EQ(only_union().mount_points, std::vector<std::string>{dir_.path("C")});
  EXPECT_TRUE(unmount(dir_.path("C")));
  await_end(mount);
}

TEST_F(FuseMounterTest, AServerThatDiesTakesItsMountsAlong) {
  FuseMount mount = start_fuse_union(spec_, options_);
  for (const char* place : {"C", "D"})
    make_dir_at(AT_FDCWD, dir_.path(place), 0755);
  DetachedMount(std::move(mount.mount))
      .attach(open_at(AT_FDCWD, dir_.path("C"), O_PATH).get(), dir_.path("C"));
  ASSERT_EQ(::mount(dir_.path("C").c_str(), dir_.path("D").c_str(), nullptr, MS_BIND, nullptr), 0);
  ASSERT_EQ(::kill(only_union().pid, SIGKILL), 0);
  await_end(mount);
  EXPECT_FALSE(is_mount_point(dir_.path("C")));
  EXPECT_FALSE(is_mount_point(dir_.path("D")));
  EXPECT_TRUE(list_dir(open_dir_at(AT_FDCWD, "/run/aufs").get()).empty());
}

TEST_F(FuseMounterTest, RemountsChangeBranchesInOrder) {
  FuseMount mount = start_fuse_union(spec_, options_);
  for (const char* place : {"C", "D", "E"})
    make_dir_at(AT_FDCWD, dir_.path(place), 0755);
  DetachedMount(std::move(mount.mount))
      .attach(open_at(AT_FDCWD, dir_.path("C"), O_PATH).get(), dir_.path("C"));
  const auto shown = [] {
    std::string text;
    for (const BranchState& branch : only_union().branches)
      text += branch.path.back() + ("=" + branch.permission + " ");
    return text;
  };
  const auto remount = [&](const std::string& options) {
    static_cast<void>(remount_union(dir_.path("C"), options));
  };
  remount(fmt::format("append:{0}/D,prepend:{0}/E", dir_.path()));
  EXPECT_EQ(shown(), "E=rw A=rw B=ro D=ro ");
  remount(fmt::format("del:{0}/E,mod:{0}/A=ro,ins:1:{0}/E=rw,udba=none", dir_.path()));
  EXPECT_EQ(shown(), "A=ro E=rw B=ro D=ro ");
  EXPECT_EQ(only_union().settings, "udba=none");
  remount(fmt::format("br:{0}/A:{0}/B", dir_.path()));  // are there already
  EXPECT_EQ(shown(), "A=ro E=rw B=ro D=ro ");
  expect_error(Errc::NotFound, "is no branch",
               [&] { remount(fmt::format("mod:{}/nothere=ro", dir_.path())); });
  expect_error(Errc::NotFound, "is no mount point",
               [&] { static_cast<void>(remount_union(dir_.path("A"), "udba=none")); });
  EXPECT_TRUE(unmount(dir_.path("C")));
}

}  // namespace
}  // namespace layerkit
