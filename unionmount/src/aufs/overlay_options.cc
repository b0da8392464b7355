#include "layerkit/base/error.h"
#include "option_rules.h"
#include "option_text.h"

namespace layerkit {
namespace {

/// Overlay's permissions do not depend on the place.
BranchText branch_at(std::string_view path, BranchAccess access) {
  BranchText branch;
  branch.path = parse_path(path);
  branch.access = access;
  branch.access_given = true;
  return branch;
}

void add_lower(std::string_view path, OptionState& state) {
  check_branch_count(state);
  state.lowers.push_back(branch_at(path, BranchAccess::ReadOnly));
}

/// A second one replaces the first.
void set_lowers(const Option& option, OptionState& state) {
  state.lowers.clear();
  for (const std::string_view path : split_unescaped(*option.value, ':')) {
    if (path.empty())
      fail(Errc::Invalid, "a path is empty (layers of data alone, '::', are not supported)");
    add_lower(path, state);
  }
}

/// One path, in which a colon is nothing special.
void append_lower(const Option& option, OptionState& state) {
  add_lower(*option.value, state);
}

void set_upper(const Option& option, OptionState& state) {
  check_branch_count(state);
  state.upper = branch_at(*option.value, BranchAccess::ReadWrite);
}

void set_work(const Option& option, OptionState& state) {
  state.options.work = parse_path(*option.value);
}

void set_volatile(const Option& /*option*/, OptionState& state) {
  state.options.expendable_upper = true;
}

/// fuse-overlayfs says 0 or 1, the kernel says the words.
void set_fsync(const Option& option, OptionState& state) {
  const std::string_view value = *option.value;
  if (value == "0" || value == "volatile") {
    state.options.expendable_upper = true;
  } else if (value == "1" || value == "auto" || value == "strict") {
    state.options.expendable_upper = false;
  } else {
    fail(Errc::Invalid, "the value is none of 0, 1, volatile, auto, strict");
  }
}

void set_redirect(const Option& option, OptionState& state) {
  const std::string_view value = *option.value;
  if (value != "on" && value != "off" && value != "follow" && value != "nofollow")
    fail(Errc::Invalid, "the value is none of on, off, follow, nofollow");
  state.options.aufs.rename_directories = value == "on";
}

/// What would have to be read in another way when it is on.
void require_off(const Option& option, OptionState& /*state*/) {
  if (*option.value != "off" && *option.value != "0")
    fail(Errc::Invalid, "only 'off' is supported");
}

using enum ValueRule;

constexpr OptionRule kRules[] = {
    {"lowerdir", Required, set_lowers},
    {"lowerdir+", Required, append_lower},
    {"upperdir", Required, set_upper},
    {"workdir", Required, set_work},
    {"volatile", None, set_volatile},
    {"fsync", Required, set_fsync},
    {"redirect_dir", Required, set_redirect},
    {"metacopy", Required, require_off},
    {"verity", Required, require_off},
    {"xattr_permissions", Required, require_off},
    // Of overlayfs: how it does what is done here in another way.
    {"index", Required, ignore_option_with_warning},
    {"nfs_export", Required, ignore_option_with_warning},
    {"uuid", Required, ignore_option_with_warning},
    {"userxattr", None, ignore_option_with_warning},
    {"override_creds", None, ignore_option_with_warning},
    {"nooverride_creds", None, ignore_option_with_warning},
    // Of fuse-overlayfs: for speed.
    {"timeout", Required, ignore_option_with_warning},
    {"threaded", Required, ignore_option_with_warning},
    {"fast_ino", Optional, ignore_option_with_warning},
    {"writeback", Optional, ignore_option_with_warning},
    {"static_nlink", None, ignore_option_with_warning},
    // Files would show other owners, contents or labels.
    {"datadir+", Required, refuse_option},
    {"uidmapping", Required, refuse_option},
    {"gidmapping", Required, refuse_option},
    {"squash_to_root", None, refuse_option},
    {"squash_to_uid", Required, refuse_option},
    {"squash_to_gid", Required, refuse_option},
    {"context", Required, refuse_option},
    {"fscontext", Required, refuse_option},
    {"defcontext", Required, refuse_option},
    {"rootcontext", Required, refuse_option},
};

}  // namespace

std::span<const OptionRule> overlay_rules() noexcept {
  return kRules;
}

}  // namespace layerkit
