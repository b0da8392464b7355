#include <gtest/gtest.h>

#include <array>
#include <random>
#include <string>
#include <string_view>

#include "layerkit/unionmount/mount_options.h"

namespace layerkit {
namespace {

/// Options of all kinds, with paths of all bytes; the same in every run.
class RandomOptions {
 public:
  MountOptions next() {
    MountOptions options;
    options.whiteouts = coin() ? WhiteoutFormat::Aufs : WhiteoutFormat::Overlay;
    if (options.whiteouts == WhiteoutFormat::Aufs) {
      for (std::size_t count = below(5); count > 0; --count)
        options.branches.push_back(branch());
    } else {
      add_overlay_branches(options);
    }
    for (std::size_t count = below(4); count > 0; --count)
      options.changes.push_back(change());
    options.aufs = settings();
    set_flags(options);
    return options;
  }

 private:
  bool coin() { return below(2) == 0; }
  std::size_t below(std::size_t bound) { return random_() % bound; }
  unsigned number(unsigned max) { return static_cast<unsigned>(below(max + 1ULL)); }

  std::string path() {
    static constexpr std::string_view kNasty = ",:=\\+/ \"'\n\t.onf\xc3\xa9\xff";
    std::string text;
    for (std::size_t length = 1 + below(12); length > 0; --length)
      text += kNasty[below(kNasty.size())];
    return text;
  }

  BranchAttributes attributes(BranchAccess access) {
    BranchAttributes made;
    const bool writable = access == BranchAccess::ReadWrite;
    made.whiteouts = !writable && coin();
    made.no_link_whiteouts = writable && coin();
    made.hierarchical = coin();
    made.on_open = static_cast<OnOpen>(below(writable ? 4 : 3));
    made.ignore_xattr_errors = below(4) == 0;
    const bool all = made.ignore_xattr_errors;
    made.ignore_security_xattr_errors = all || coin();
    made.ignore_system_xattr_errors = all || coin();
    made.ignore_trusted_xattr_errors = all || coin();
    made.ignore_user_xattr_errors = all || coin();
    made.ignore_other_xattr_errors = all;  // else all five might be set
    return made;
  }

  BranchText branch() {
    BranchText made;
    made.path = path();
    made.access_given = coin();
    if (!made.access_given) return made;
    made.access = static_cast<BranchAccess>(below(3));
    made.attributes = attributes(made.access);
    return made;
  }

  BranchText branch_with(BranchAccess access) {
    BranchText made;
    made.path = path();
    made.access_given = true;
    made.access = access;
    return made;
  }

  void add_overlay_branches(MountOptions& options) {
    if (coin()) {
      options.branches.push_back(branch_with(BranchAccess::ReadWrite));
      if (coin()) options.work = path();
    }
    for (std::size_t count = 1 + below(4); count > 0; --count)
      options.branches.push_back(branch_with(BranchAccess::ReadOnly));
  }

  BranchChange change() {
    switch (below(3)) {
      case 0:
        return InsertBranch{static_cast<int>(below(kMaxBranches + 1)) - 1, branch()};
      case 1:
        return DeleteBranch{path()};
      default: {
        BranchText changed = branch_with(static_cast<BranchAccess>(below(3)));
        changed.attributes = attributes(changed.access);
        return ModifyBranch{std::move(changed)};
      }
    }
  }

  CreatePolicy create_policy() {
    CreatePolicy policy;
    policy.rule = static_cast<CreateRule>(below(7));
    const bool has_mark = policy.rule == CreateRule::TopDownMostFree ||
                          policy.rule == CreateRule::MostFreeRoundRobin ||
                          policy.rule == CreateRule::ParentMostFreeRoundRobin;
    if (has_mark) policy.low_water_bytes = random_();
    if (has_mark || policy.rule == CreateRule::MostFree ||
        policy.rule == CreateRule::ParentMostFree)
      policy.refresh_seconds = number(3600);
    return policy;
  }

  AufsSettings settings() {
    AufsSettings made;
    made.create = create_policy();
    made.copy_up = static_cast<CopyUpRule>(below(3));
    made.udba = static_cast<Udba>(below(3));
    made.inode_table = coin();
    if (made.inode_table && coin()) made.inode_table_path = "/" + path();
    made.sum_space = coin();
    made.sum_writable_only = made.sum_space && coin();
    for (bool AufsSettings::*const member :
         {&AufsSettings::pseudo_links, &AufsSettings::always_opaque, &AufsSettings::show_whiteouts,
          &AufsSettings::top_permission_only, &AufsSettings::rename_directories,
          &AufsSettings::direct_io, &AufsSettings::acl, &AufsSettings::warn_permissions,
          &AufsSettings::verbose})
      made.*member = coin();
    made.inline_whiteout_limit = number(0x7fffffff);
    made.readdir_cache_seconds = number(3600);
    made.readdir_block_bytes = coin() ? 0 : 255 + number(100000);
    made.readdir_hash_size = number(1U << 19);
    made.fhsm_seconds = number(0x7fffffff);
    return made;
  }

  void set_flags(MountOptions& options) {
    for (bool MountOptions::*const member :
         {&MountOptions::remount, &MountOptions::read_only, &MountOptions::no_suid,
          &MountOptions::no_dev, &MountOptions::no_exec, &MountOptions::no_atime,
          &MountOptions::expendable_upper, &MountOptions::allow_other, &MountOptions::allow_root,
          &MountOptions::foreground})
      options.*member = coin();
    if (coin()) options.fs_name = path();
    if (coin()) options.id = path();
  }

  std::mt19937_64 random_{7};
};

TEST(RandomMountOptionsTest, WhatIsWrittenIsReadBack) {
  RandomOptions random;
  for (int i = 0; i < 20000; ++i) {
    const MountOptions options = random.next();
    const std::string text = format_mount_options(options);
    ASSERT_EQ(parse_mount_options(text), options) << text;
    ASSERT_EQ(format_mount_options(parse_mount_options(text)), text);
  }
}

}  // namespace
}  // namespace layerkit
