#include "aufs/aufs_plan.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "expect_error.h"
#include "layerkit/base/file.h"
#include "layerkit/unionmount/mounter.h"

namespace layerkit {
namespace {

using testing::expect_error;

constexpr std::size_t kPage = 4095;

Branch any_branch(BranchAccess access, BranchAttributes attributes = {}) {
  return {open_at(AT_FDCWD, "/", O_PATH | O_DIRECTORY), access, attributes, "/"};
}

/// A writable branch over image layers.
UnionSpec union_of(std::size_t branches) {
  UnionSpec spec;
  spec.whiteouts = WhiteoutFormat::Aufs;
  spec.branches.push_back(any_branch(BranchAccess::ReadWrite));
  BranchAttributes layer;
  layer.whiteouts = true;
  while (spec.branches.size() < branches)
    spec.branches.push_back(any_branch(BranchAccess::ReadOnly, layer));
  return spec;
}

std::vector<std::string> pieces(const std::string& text, char separator) {
  std::vector<std::string> found;
  std::istringstream stream(text);
  for (std::string piece; std::getline(stream, piece, separator);)
    found.push_back(piece);
  return found;
}

/// What AUFS would make of the data of one call, written from its documentation.
struct ReadBack {
  std::vector<std::pair<std::string, std::string>> branches;  ///< path and permission
  std::map<std::string, std::string> settings;
  std::size_t records = 0;

  void read(const std::string& data) {
    for (const std::string& option : pieces(data, ',')) {
      if (option.rfind("br:", 0) == 0) {
        for (const std::string& branch : pieces(option.substr(3), ':'))
          add(branch);
      } else if (option.rfind("append:", 0) == 0) {
        add(option.substr(7));
      } else {
        const std::size_t equals = option.find('=');
        settings[option.substr(0, equals)] =
            equals == std::string::npos ? "" : option.substr(equals + 1);
        ++records;
      }
    }
  }

  void add(const std::string& branch) {
    const std::size_t equals = branch.find('=');
    EXPECT_NE(equals, std::string::npos) << branch;
    branches.emplace_back(branch.substr(0, equals), branch.substr(equals + 1));
    ++records;
  }
};

/// Everything of a plan; expects each call to fit what the kernel takes.
ReadBack read_back(const AufsPlan& plan, std::size_t max_bytes) {
  ReadBack all;
  std::vector<std::string> calls = plan.remount_data;
  calls.insert(calls.begin(), plan.mount_data);
  for (const std::string& data : calls) {
    EXPECT_LE(data.size(), max_bytes);
    ReadBack call;
    call.read(data);
    EXPECT_LE(call.records, kMaxAufsOptions);
    EXPECT_FALSE(call.branches.empty()) << data;
    all.read(data);
  }
  return all;
}

void expect_branches(const ReadBack& read, const UnionSpec& spec) {
  ASSERT_EQ(read.branches.size(), spec.branches.size());
  for (std::size_t i = 0; i < spec.branches.size(); ++i) {
    EXPECT_EQ(read.branches[i].first,
              "/proc/self/fd/" + std::to_string(spec.branches[i].directory.get()));
    EXPECT_EQ(read.branches[i].second, i == 0 ? "rw" : "ro+wh");
  }
}

TEST(AufsPlanTest, ASmallUnionIsOneCall) {
  const UnionSpec spec = union_of(3);
  const AufsPlan plan = plan_aufs(spec, kPage);
  EXPECT_TRUE(plan.remount_data.empty());
  const ReadBack read = read_back(plan, kPage);
  expect_branches(read, spec);
  // ACLs are what the kernel leaves off by default.
  EXPECT_EQ(read.settings, (std::map<std::string, std::string>{{"acl", ""}}));
}

TEST(AufsPlanTest, OnlySettingsThatDifferAreSaid) {
  UnionSpec spec = union_of(2);
  spec.aufs.acl = false;
  spec.aufs.udba = Udba::None;
  spec.aufs.create = {CreateRule::MostFreeRoundRobin, 1048576, 60};
  spec.aufs.copy_up = CopyUpRule::BottomUp;
  spec.aufs.top_permission_only = true;
  spec.aufs.inode_table_path = R"(/dev/shm/a\b=c:d)";
  spec.aufs.pseudo_links = false;
  const std::map<std::string, std::string> expected = {
      {"noacl", ""},  {"udba", "none"}, {"create", "mfsrr:1048576:60"},
      {"cpup", "bu"}, {"dirperm1", ""}, {"xino", R"(/dev/shm/a\b=c:d)"},
      {"noplink", ""}};
  EXPECT_EQ(read_back(plan_aufs(spec, kPage), kPage).settings, expected);
}

TEST(AufsPlanTest, AttributesOfBranchesAreSaid) {
  UnionSpec spec = union_of(1);
  spec.branches[0].attributes.no_link_whiteouts = true;
  spec.branches.push_back(any_branch(BranchAccess::RealReadOnly));
  const ReadBack read = read_back(plan_aufs(spec, kPage), kPage);
  ASSERT_EQ(read.branches.size(), 2U);
  EXPECT_EQ(read.branches[0].second, "rw+nolwh");
  EXPECT_EQ(read.branches[1].second, "rr");
}

TEST(AufsPlanTest, ManyBranchesAreAppendedInOrder) {
  for (const std::size_t count : {63U, 64U, 65U, 127U, 128U, 400U}) {
    const UnionSpec spec = union_of(count);
    const AufsPlan plan = plan_aufs(spec, kPage);
    expect_branches(read_back(plan, kPage), spec);
    EXPECT_EQ(plan.remount_data.size(), count / kMaxAufsOptions) << count;  // "acl" is one, too
  }
}

TEST(AufsPlanTest, NoCallIsLongerThanThePage) {
  UnionSpec spec = union_of(40);
  for (const std::size_t max_bytes : {40U, 41U, 57U, 100U, 800U}) {
    const AufsPlan plan = plan_aufs(spec, max_bytes);
    expect_branches(read_back(plan, max_bytes), spec);
    EXPECT_FALSE(plan.remount_data.empty());
  }
}

TEST(AufsPlanTest, SettingsMustLeaveRoomForABranch) {
  UnionSpec spec = union_of(2);
  spec.aufs.inode_table_path = "/" + std::string(4090, 'x');
  expect_error(Errc::Limit, "the options leave no room for branch 0 in what mount(2) takes",
               [&spec] { plan_aufs(spec, kPage); });
  spec = union_of(2);
  const std::string top = "/proc/self/fd/" + std::to_string(spec.branches[0].directory.get());
  expect_error(Errc::Limit, "the options leave no room for branch 1",
               [&] { plan_aufs(spec, ("acl,br:" + top + "=rw").size()); });
}

TEST(AufsPlanTest, APathWithACommaCannotBeSaid) {
  UnionSpec spec = union_of(2);
  spec.aufs.inode_table_path = "/a,rw";
  expect_error(Errc::Unsupported, "the path '/a,rw' for the inode table contains a comma",
               [&spec] { plan_aufs(spec, kPage); });
}

TEST(AufsPlanTest, RefusesWhatAufsCannotDo) {
  UnionSpec spec = union_of(2);
  spec.whiteouts = WhiteoutFormat::Overlay;
  expect_error(Errc::Unsupported, "aufs does not know the whiteouts of overlayfs",
               [&spec] { plan_aufs(spec, kPage); });
  UnionSpec empty;
  empty.whiteouts = WhiteoutFormat::Aufs;
  expect_error(Errc::Invalid, "an aufs needs a branch", [&empty] { plan_aufs(empty, kPage); });
}

TEST(AufsPlanTest, RefusesWhatOnlyOverlayCanDo) {
  const auto refused = [](UnionSpec spec, const std::string& message) {
    expect_error(Errc::Unsupported, message, [&spec] { plan_aufs(spec, kPage); });
  };
  UnionSpec spec = union_of(2);
  spec.overlay = {.redirect_dir = OverlayRedirect::On, .index = true, .user_xattrs = true};
  EXPECT_NO_THROW(plan_aufs(spec, kPage)) << "these mean nothing to aufs";
  spec.overlay.verity = OverlayVerity::On;
  refused(std::move(spec), "aufs has no digests to check (verity), only overlayfs has");
  spec = union_of(2);
  spec.overlay.metacopy = true;
  refused(std::move(spec), "aufs has no files without their contents (metacopy=on)");
  spec = union_of(2);
  spec.data_directories.push_back(open_at(AT_FDCWD, "/", O_PATH));
  refused(std::move(spec), "aufs has no directories of data alone (datadir)");
  spec = union_of(2);
  spec.branches[1].id_mapping = open_at(AT_FDCWD, "/proc/self/ns/user", O_RDONLY);
  refused(std::move(spec), "aufs has no branches with mapped owners");
}

TEST(AufsPlanTest, WithoutAWritableBranchTheMountIsReadOnly) {
  UnionSpec spec = union_of(2);
  spec.no_suid = true;
  EXPECT_FALSE(plan_aufs(spec, kPage).attributes.read_only);
  EXPECT_TRUE(plan_aufs(spec, kPage).attributes.no_suid);
  spec.branches[0].access = BranchAccess::ReadOnly;
  EXPECT_TRUE(plan_aufs(spec, kPage).attributes.read_only);
}

TEST(AufsPlanTest, AMessageNamesABranchByItsDescriptor) {
  UnionSpec spec = union_of(3);
  const std::string second = "/proc/self/fd/" + std::to_string(spec.branches[1].directory.get());
  EXPECT_EQ(branch_named_in("aufs test_add:245:x[1]: " + second + " is overlapped", spec), 1U);
  EXPECT_EQ(branch_named_in("aufs: " + second, spec), 1U);
  EXPECT_EQ(branch_named_in("aufs: " + second + "0 is overlapped", spec), std::nullopt);
  EXPECT_EQ(branch_named_in("aufs: first branch should be rw", spec), std::nullopt);
}

TEST(AufsPlanTest, TheKernelListsItsFileSystems) {
  const std::string list = "nodev\tsysfs\n\text4\nnodev\taufs\nnodev\toverlay\n";
  EXPECT_TRUE(lists_file_system(list, "aufs"));
  EXPECT_TRUE(lists_file_system(list, "ext4"));
  EXPECT_FALSE(lists_file_system(list, "ext"));
  EXPECT_FALSE(lists_file_system("nodev\taufs2\nnodev\tfaufs\naufs\n", "aufs"));
  EXPECT_FALSE(lists_file_system("", "aufs"));
}

TEST(AufsMounterTest, AKernelWithoutAufsIsNamed) {
  if (kernel_has_aufs()) GTEST_SKIP() << "this kernel has aufs";
  EXPECT_EQ(make_aufs_mounter()->name(), "aufs");
  expect_error(Errc::Unsupported, "mounting a union of 2 branches: this kernel has no aufs",
               [] { make_aufs_mounter()->mount(union_of(2)); });
}

}  // namespace
}  // namespace layerkit
