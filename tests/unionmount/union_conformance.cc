#include "union_conformance.h"

#include <poll.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>

#include "aufs_union.h"

namespace layerkit::testing {
namespace {

void expect_same(const TreeDump& got, const TreeDump& wanted, const std::string& what) {
  expect_same_tree(without_links(got), without_links(wanted), what);
}

/// Overlayfs lists the whiteouts of a directory that it reads from one branch alone.
TreeDump without_unfound(TreeDump dump) {
  std::erase_if(dump, [](const auto& line) { return line.second == "listed but absent"; });
  return dump;
}

}  // namespace

void UnionTest::SetUp() {
  PrivateMountsTest::SetUp();
  if (IsSkipped()) return;
  memory_.emplace();
  const bool needs_disk = GetParam().medium != Medium::Memory;
  if (needs_disk) {
    try {
      disk_.emplace(memory_->path("image"), memory_->path("disk"));
    } catch (const Error& error) {
      GTEST_SKIP() << error.what();
    }
  }
  const std::string lowers = memory_->path(needs_disk ? "disk/" : "");
  const std::string uppers = memory_->path(GetParam().medium == Medium::Disk ? "disk/" : "");
  branches_.emplace_back(uppers + "upper", backend().upper_whiteouts);
  branches_.emplace_back(lowers + "middle", backend().lower_whiteouts);
  branches_.emplace_back(lowers + "base", backend().lower_whiteouts);
  work_ = uppers + "work";
  make_dir_at(AT_FDCWD, work_, 0700);
  mount_point_ = memory_->path("union");
  make_dir_at(AT_FDCWD, mount_point_, 0755);
}

BranchDir& UnionTest::add_lower() {
  const std::string path = base().path() + fmt::format("-{}", branches_.size());
  return branches_.emplace_back(path, backend().lower_whiteouts);
}

BranchSetup UnionTest::setup_of(std::size_t index) const {
  if (index < setup_.branches.size()) return setup_.branches[index];
  if (index == 0 && setup_.has_upper) return kWritable;
  return branches_[index].format() == WhiteoutFormat::Aufs ? kReadOnlyWithWhiteouts : BranchSetup();
}

UnionSpec UnionTest::make_spec() const {
  UnionSpec spec;
  for (std::size_t i = 0; i < branches_.size(); ++i) {
    const std::string& path = branches_[i].path();
    const BranchSetup setup = setup_of(i);
    spec.branches.push_back({.directory = open_at(AT_FDCWD, path, O_PATH | O_DIRECTORY),
                             .access = setup.access,
                             .attributes = setup.attributes,
                             .path = path});
  }
  if (setup_.has_upper && backend().upper_whiteouts == WhiteoutFormat::Overlay)
    spec.work = open_at(AT_FDCWD, work_, O_PATH | O_DIRECTORY);
  spec.read_only = setup_.read_only;
  spec.whiteouts = backend().upper_whiteouts;
  spec.aufs = setup_.aufs;
  return spec;
}

std::vector<std::string> UnionTest::branch_paths() const {
  std::vector<std::string> paths;
  for (const BranchDir& branch : branches_)
    paths.push_back(branch.path());
  return paths;
}

void UnionTest::mount(const UnionSetup& setup) {
  setup_ = setup;
  if (lowers_before_.empty() && reason_for_no_check_ == nullptr) {
    for (std::size_t i = 1; i < branches_.size(); ++i)
      lowers_before_.push_back(DirectoryDumper::dump(branches_[i].path()));
  }
  attach(backend().start(make_spec()));
}

void UnionTest::attach(StartedUnion started) {
  const Fd target = open_dir_at(AT_FDCWD, mount_point_);
  std::move(started.mount).attach(target.get(), mount_point_);
  server_ = std::move(started.server);
  id_ = std::move(started.id);
  mounted_ = true;
}

/// The branches are at rest when it has ended.
void UnionTest::wait_for_server() {
  constexpr int kPatienceMs = 60'000;  // a server that hangs fails the test, whatever the machine
  pollfd waiting{.fd = server_.get(), .events = POLLIN, .revents = 0};
  if (server_) {
    EXPECT_EQ(::poll(&waiting, 1, kPatienceMs), 1) << "the server does not end";
  }
  server_.reset();
}

void UnionTest::unmount() {
  mounted_ = false;
  EXPECT_TRUE(layerkit::unmount(mount_point_));
  wait_for_server();
}

void UnionTest::remount() {
  unmount();
  mount(setup_);
}

void UnionTest::TearDown() {
  if (mounted_ && !HasFailure() && reason_for_no_check_ == nullptr) {
    const TreeDump shown = DirectoryDumper::dump(mount_point_);
    unmount();
    expect_untouched_lowers();
    expect_upper_tells(shown);
  }
  if (mounted_) ::umount2(mount_point_.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
}

void UnionTest::expect_untouched_lowers() const {
  for (std::size_t i = 1; i <= lowers_before_.size(); ++i) {
    if (setup_of(i).access == BranchAccess::ReadWrite) continue;
    expect_same_tree(DirectoryDumper::dump(branches_[i].path()), lowers_before_[i - 1],
                     "lower branch, afterwards");
  }
}

void UnionTest::expect_upper_tells(const TreeDump& shown) {
  mount(setup_);
  expect_same(DirectoryDumper::dump(mount_point_), shown, "union, mounted again");
  unmount();
  if (backend().name == "overlay" || reason_for_own_view_ != nullptr) return;
  const bool of_overlay = backend().upper_whiteouts == WhiteoutFormat::Overlay;
  if (of_overlay && backend().lower_whiteouts == WhiteoutFormat::Overlay) {
    attach({.mount = make_overlay_mounter()->mount(make_spec())});
    expect_same(without_unfound(DirectoryDumper::dump(mount_point_)), shown,
                "branches, as overlayfs shows them");
    unmount();
  } else if (!of_overlay && backend().lower_whiteouts == WhiteoutFormat::Aufs) {
    expect_same(AufsUnion::dump(branch_paths()), shown, "branches, as AUFS shows them");
  }
}

}  // namespace layerkit::testing
