#include <algorithm>
#include <utility>

#include "layerkit/base/error.h"
#include "option_rules.h"
#include "option_text.h"
#include "overlay_words.h"

namespace layerkit {
namespace {

/// Overlay's permissions do not depend on the place. Those that read `.wh.` names, as
/// fuse-overlayfs does, find them in every branch.
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

void add_data_directory(std::string_view path, OptionState& state) {
  check_branch_count(state);
  state.options.data_directories.push_back(parse_path(path));
}

/// PATH:PATH::DATA::DATA. A second list replaces the first.
void set_lowers(const Option& option, OptionState& state) {
  state.lowers.clear();
  state.options.data_directories.clear();
  bool is_data = false;  // a colon more stands before the path
  for (const std::string_view path : split_unescaped(*option.value, ':')) {
    const bool is_first = state.lowers.empty();
    if (path.empty()) {
      if (is_data || is_first) fail(Errc::Invalid, "a path is empty");
      is_data = true;
    } else if (is_data) {
      add_data_directory(path, state);
      is_data = false;
    } else if (!state.options.data_directories.empty()) {
      fail(Errc::Invalid, "after '::' all directories are of data alone, each with '::' before it");
    } else {
      add_lower(path, state);
    }
  }
  if (is_data) fail(Errc::Invalid, "a path is empty");
}

/// One path, in which a colon is nothing special.
void append_lower(const Option& option, OptionState& state) {
  add_lower(*option.value, state);
}

void append_data_directory(const Option& option, OptionState& state) {
  add_data_directory(*option.value, state);
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
  state.options.overlay.redirect_dir = value_of(kRedirectWords, *option.value);
  state.options.aufs.rename_directories = state.options.overlay.redirect_dir == OverlayRedirect::On;
}

void set_metacopy(const Option& option, OptionState& state) {
  state.options.overlay.metacopy = value_of(kSwitchWords, *option.value);
}

void set_index(const Option& option, OptionState& state) {
  state.options.overlay.index = value_of(kSwitchWords, *option.value);
}

/// As for the kernel, it brings the index with it.
void set_nfs_export(const Option& option, OptionState& state) {
  OverlaySettings& settings = state.options.overlay;
  settings.nfs_export = value_of(kSwitchWords, *option.value);
  settings.index = settings.index || settings.nfs_export;
}

void set_uuid(const Option& option, OptionState& state) {
  state.options.overlay.uuid = value_of(kUuidWords, *option.value);
}

void set_verity(const Option& option, OptionState& state) {
  state.options.overlay.verity = value_of(kVerityWords, *option.value);
}

void set_user_xattrs(const Option& /*option*/, OptionState& state) {
  state.options.overlay.user_xattrs = true;
}

void set_static_links(const Option& /*option*/, OptionState& state) {
  state.options.aufs.static_links = true;
}

void set_no_xattrs(const Option& option, OptionState& state) {
  if (option.value && *option.value != "0" && *option.value != "1")
    fail(Errc::Invalid, "the value is none of 0, 1");
  state.options.aufs.xattrs = option.value == "0";
}

constexpr std::uint32_t kMaxId = 0xfffffffe;  // the last one means "none"

void squash_to_root(const Option& /*option*/, OptionState& state) {
  state.options.aufs.users.everybody = 0;
  state.options.aufs.groups.everybody = 0;
}

template <OwnerMapping AufsSettings::*Owners>
void squash(const Option& option, OptionState& state) {
  (state.options.aufs.*Owners).everybody =
      static_cast<std::uint32_t>(parse_number(*option.value, kMaxId));
}

/// BRANCH:SHOWN:COUNT, more of them behind further colons. A second list replaces the first.
template <OwnerMapping AufsSettings::*Owners>
void map_owners(const Option& option, OptionState& state) {
  constexpr std::size_t kMaxRanges = 340;  // as of a user namespace
  const std::vector<std::string_view> numbers = split_unescaped(*option.value, ':');
  if (numbers.size() % 3 != 0) fail(Errc::Invalid, "the ranges are not of three numbers each");
  if (numbers.size() / 3 > kMaxRanges)
    fail(Errc::Limit, "there are more than {} ranges", kMaxRanges);
  std::vector<OwnerMapping::Range> ranges;
  const auto number = [&](std::size_t at) {
    return static_cast<std::uint32_t>(parse_number(numbers[at], kMaxId));
  };
  for (std::size_t at = 0; at < numbers.size(); at += 3) {
    const OwnerMapping::Range range = {
        .branch = number(at), .shown = number(at + 1), .count = number(at + 2)};
    const std::uint32_t first = std::max(range.branch, range.shown);
    if (range.count == 0 || range.count - 1 > kMaxId - first)
      fail(Errc::Invalid, "the range of {} numbers from {} on does not exist", range.count, first);
    ranges.push_back(range);
  }
  (state.options.aufs.*Owners).ranges = std::move(ranges);
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
    {"datadir+", Required, append_data_directory},
    {"upperdir", Required, set_upper},
    {"workdir", Required, set_work},
    {"volatile", None, set_volatile},
    {"fsync", Required, set_fsync},
    {"redirect_dir", Required, set_redirect},
    {"metacopy", Required, set_metacopy},
    {"verity", Required, set_verity},
    {"index", Required, set_index},
    {"nfs_export", Required, set_nfs_export},
    {"uuid", Required, set_uuid},
    {"userxattr", None, set_user_xattrs},
    {"xattr_permissions", Required, require_off},
    {"override_creds", None, ignore_option_with_warning},
    {"nooverride_creds", None, ignore_option_with_warning},
    // Of fuse-overlayfs: for speed.
    {"timeout", Required, ignore_option_with_warning},
    {"threaded", Required, ignore_option_with_warning},
    {"fast_ino", Optional, ignore_option_with_warning},
    {"writeback", Optional, ignore_option_with_warning},
    {"static_nlink", None, set_static_links},
    {"noxattrs", Optional, set_no_xattrs},
    {"uidmapping", Required, map_owners<&AufsSettings::users>},
    {"gidmapping", Required, map_owners<&AufsSettings::groups>},
    {"squash_to_root", None, squash_to_root},
    {"squash_to_uid", Required, squash<&AufsSettings::users>},
    {"squash_to_gid", Required, squash<&AufsSettings::groups>},
    // Files would show other labels.
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
