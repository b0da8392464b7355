#include "control/control_server.h"

#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <mutex>

#include "control/message.h"
#include "control/places.h"
#include "control/socket.h"
#include "expect_error.h"
#include "layerkit/unionmount/union_client.h"
#include "private_mounts.h"
#include "temp_dir.h"
#include "user_namespace.h"

namespace layerkit {
namespace {

using testing::expect_error;

/// A union of names alone.
class FakeUnion final : public UnionControl {
 public:
  std::vector<BranchState> branches() const override {
    const std::lock_guard lock(mutex_);
    return branches_;
  }
  void insert_branch(int index, Branch branch) override {
    const std::lock_guard lock(mutex_);
    inserted_directory = std::move(branch.directory);
    const auto place = index < 0 ? branches_.end() : branches_.begin() + index;
    branches_.insert(
        place, {branch.path, format_permission(branch.access, branch.attributes), next_id_++});
  }
  void delete_branch(const std::string& path) override {
    const std::lock_guard lock(mutex_);
    if (path == "/busy") fail_errno(EBUSY, "deleting the branch '/busy'");
    std::erase_if(branches_, [&](const BranchState& branch) { return branch.path == path; });
  }
  void modify_branch(const std::string& path,
                     BranchAccess access,
                     const BranchAttributes& attributes) override {
    const std::lock_guard lock(mutex_);
    for (BranchState& branch : branches_) {
      if (branch.path == path) branch.permission = format_permission(access, attributes);
    }
  }
  void change_settings(const AufsSettings& changed) override { settings = changed; }

  Fd inserted_directory;
  AufsSettings settings;

 private:
  mutable std::mutex mutex_;
  std::vector<BranchState> branches_ = {{"/a b", "rw", 0}, {"/busy", "ro+wh", 1}};
  int next_id_ = 2;
};

/// Has a /run of its own.
class ControlServerTest : public testing::PrivateMountsTest {
 protected:
  void SetUp() override {
    PrivateMountsTest::SetUp();
    if (IsSkipped()) return;
    ASSERT_EQ(::mount("tmpfs", "/run", "tmpfs", 0, "mode=0755"), 0) << errno_text(errno);
    directory_ = std::make_unique<RunDirectory>(RunDirectory::create("c0ffee"));
    server_ = std::make_unique<ControlServer>(
        union_, *directory_, UnionFacts{.device = 77, .supervisor = 1, .settings = {}});
  }
  void TearDown() override {
    server_.reset();
    directory_.reset();
    if (!IsSkipped()) ::umount2("/run", MNT_DETACH);
  }

  static UnionInfo only_union() {
    const auto unions = list_unions();
    EXPECT_EQ(unions.size(), 1U);
    return unions.empty() ? UnionInfo{} : unions.front();
  }
  /// What the server says to raw bytes.
  std::string reply_to(const std::string& bytes) const {
    const Fd socket = connect_in_directory(directory_->fd(), std::string(kControlSocket));
    try {
      send_message(socket.get(), bytes);
    } catch (const Error&) {  // it hung up already
    }
    ::shutdown(socket.get(), SHUT_WR);
    std::string reply;
    for (;;) {
      const std::string part = receive_message(socket.get(), 4096).text;
      if (part.empty()) return reply;
      reply += part;
    }
  }

  FakeUnion union_;
  std::unique_ptr<RunDirectory> directory_;
  std::unique_ptr<ControlServer> server_;
};

TEST_F(ControlServerTest, TheDirectoryShowsTheUnionAsSysfsDoes) {
  const auto shows = [](const std::string& name) {
    return read_file_at(AT_FDCWD, "/run/aufs/si_c0ffee/" + name, 1000);
  };
  EXPECT_EQ(shows("br0"), "/a\\040b=rw\n");
  EXPECT_EQ(shows("br1"), "/busy=ro+wh\n");
  EXPECT_EQ(shows("brid1"), "1\n");
  EXPECT_EQ(shows("device"), "0:77\n");
  EXPECT_EQ(shows("pid"), fmt::format("{}\n", ::getpid()));
  EXPECT_EQ(stat_at(AT_FDCWD, "/run/aufs/si_c0ffee/control")->mode, 0600U);
}

TEST_F(ControlServerTest, UnionsAreListedWhileTheyAreServed) {
  const UnionInfo info = only_union();
  EXPECT_EQ(info.id, "c0ffee");
  EXPECT_EQ(info.directory, "/run/aufs/si_c0ffee");
  EXPECT_EQ(info.device, 77U);
  ASSERT_EQ(info.branches.size(), 2U);
  EXPECT_EQ(info.branches[0].path, "/a b");
  EXPECT_EQ(info.branches[1].permission, "ro+wh");
  EXPECT_EQ(info.branches[1].id, 1);
  EXPECT_TRUE(info.mount_points.empty());
  UnionClient(info).tell_mount_point("/mnt/x y");
  EXPECT_EQ(only_union().mount_points, std::vector<std::string>{"/mnt/x y"});
  server_.reset();
  EXPECT_TRUE(list_unions().empty());
  expect_error(Errc::NotFound, "nobody serves the union",
               [&] { static_cast<void>(UnionClient(info).branches()); });
}

TEST_F(ControlServerTest, RequestsReachTheUnionAndTheFiles) {
  const UnionClient client(only_union());
  BranchText branch;
  branch.path = "/new\n";
  branch.access = BranchAccess::ReadWrite;
  const testing::TempDir dir;
  client.insert_branch(0, branch, open_dir_at(AT_FDCWD, dir.path()));
  ASSERT_TRUE(union_.inserted_directory);
  EXPECT_EQ(stat_fd(union_.inserted_directory.get()).ino, stat_at(AT_FDCWD, dir.path())->ino);
  EXPECT_EQ(only_union().branches[0].path, "/new\n");
  EXPECT_EQ(only_union().branches[0].id, 2);
  branch.access = BranchAccess::ReadOnly;
  client.modify_branch(branch);
  EXPECT_EQ(client.branches()[0].permission, "ro");
  EXPECT_EQ(only_union().branches[0].permission, "ro");
  client.delete_branch("/new\n");
  EXPECT_EQ(only_union().branches.size(), 2U);
  EXPECT_FALSE(stat_at(AT_FDCWD, "/run/aufs/si_c0ffee/br2"));
  AufsSettings settings;
  settings.udba = Udba::None;
  client.change_settings(settings);
  EXPECT_EQ(union_.settings, settings);
  EXPECT_EQ(only_union().settings, format_settings(settings));
}

TEST_F(ControlServerTest, TheUnionsErrorsComeBackWhole) {
  try {
    UnionClient(only_union()).delete_branch("/busy");
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::Busy);
    EXPECT_EQ(error.sys_errno(), EBUSY);
    EXPECT_EQ(error.message(), "deleting the branch '/busy': Device or resource busy");
  }
}

TEST_F(ControlServerTest, BadRequestsAreAnsweredAndChangeNothing) {
  EXPECT_TRUE(reply_to("reboot\n").starts_with("error invalid 0 ")) << reply_to("reboot\n");
  EXPECT_TRUE(reply_to("insert 0 rw /x\n").starts_with("error invalid 0 "));  // no directory
  EXPECT_TRUE(reply_to("settings br:/x\n").starts_with("error invalid 0 "));
  EXPECT_TRUE(reply_to("branches").starts_with("error invalid 0 "));  // no newline
  EXPECT_TRUE(reply_to(std::string(kMaxControlLine + 1, 'x')).starts_with("error limit 0 "));
  EXPECT_EQ(union_.branches().size(), 2U);
  EXPECT_EQ(reply_to("branches\n"), "ok\n0 rw /a\\040b\n1 ro+wh /busy\n");
}

TEST_F(ControlServerTest, TooManyDescriptorsAreRefused) {
  const Fd socket = connect_in_directory(directory_->fd(), std::string(kControlSocket));
  const std::vector<int> four(kMaxPassedDescriptors, socket.get());
  send_message(socket.get(), "x", four);
  send_message(socket.get(), "x\n", four);
  EXPECT_TRUE(receive_message(socket.get(), 4096).text.starts_with("error "));
}

TEST_F(ControlServerTest, OtherUsersAreTurnedAway) {
  ASSERT_EQ(::chmod("/run/aufs/si_c0ffee/control", 0666), 0);
  const auto ask_as_nobody = [directory = directory_->fd()] {
    ASSERT_TRUE(testing::drop_privileges());
    const Fd socket = connect_in_directory(directory, std::string(kControlSocket));
    EXPECT_TRUE(receive_message(socket.get(), 4096).text.starts_with("error io 1 "));
  };
  const int code = testing::exit_code_of_child(
      [] { return ::fork(); }, [&] { return testing::run_expectations(ask_as_nobody); });
  EXPECT_EQ(code, 0);
}

TEST_F(ControlServerTest, AnIdThatIsTakenOrNoneGetsAnother) {
  const RunDirectory same = RunDirectory::create("c0ffee");
  EXPECT_NE(same.id(), "c0ffee");
  const RunDirectory odd = RunDirectory::create("../../etc");
  EXPECT_EQ(odd.id().find_first_not_of("0123456789abcdef"), std::string::npos);
}

TEST_F(ControlServerTest, ADeadUnionsDirectoryIsTakenOver) {
  server_.reset();
  directory_->leave();  // as if both processes were killed
  EXPECT_TRUE(stat_at(AT_FDCWD, "/run/aufs/si_c0ffee"));
  EXPECT_TRUE(list_unions().empty());
  const RunDirectory next = RunDirectory::create("c0ffee");
  EXPECT_EQ(next.id(), "c0ffee");
}

TEST_F(ControlServerTest, PlacesThatOthersCanWriteToAreNotBelieved) {
  ASSERT_EQ(::chmod("/run/aufs", 0777), 0);
  EXPECT_TRUE(list_unions().empty());
  ASSERT_EQ(::chmod("/run/aufs", 0755), 0);
  EXPECT_EQ(list_unions().size(), 1U);
}

}  // namespace
}  // namespace layerkit
