#include "option_rules.h"
#include "option_text.h"

namespace layerkit {
namespace {

template <bool MountOptions::*Member, bool Value>
void set_flag(const Option& /*option*/, OptionState& state) {
  state.options.*Member = Value;
}

/// What "owner" and "group" imply (mount(8)); later options may take it back.
void be_careful(const Option& /*option*/, OptionState& state) {
  state.options.no_suid = true;
  state.options.no_dev = true;
}

/// "user" and "users" imply more. With a name it is mount's record of who mounted.
void be_very_careful(const Option& option, OptionState& state) {
  if (option.value) return;
  be_careful(option, state);
  state.options.no_exec = true;
}

void set_fs_name(const Option& option, OptionState& state) {
  state.options.fs_name = unescape(*option.value);
}

using enum ValueRule;

constexpr OptionRule kRules[] = {
    {"ro", None, set_flag<&MountOptions::read_only, true>},
    {"rw", None, set_flag<&MountOptions::read_only, false>},
    {"nosuid", None, set_flag<&MountOptions::no_suid, true>},
    {"suid", None, set_flag<&MountOptions::no_suid, false>},
    {"nodev", None, set_flag<&MountOptions::no_dev, true>},
    {"dev", None, set_flag<&MountOptions::no_dev, false>},
    {"noexec", None, set_flag<&MountOptions::no_exec, true>},
    {"exec", None, set_flag<&MountOptions::no_exec, false>},
    {"noatime", None, set_flag<&MountOptions::no_atime, true>},
    {"atime", None, set_flag<&MountOptions::no_atime, false>},
    {"remount", None, set_flag<&MountOptions::remount, true>},
    {"allow_other", None, set_flag<&MountOptions::allow_other, true>},
    {"allow_root", None, set_flag<&MountOptions::allow_root, true>},
    {"foreground", None, set_flag<&MountOptions::foreground, true>},
    {"fsname", Required, set_fs_name},
    {"user", Optional, be_very_careful},
    {"users", None, be_very_careful},
    {"owner", None, be_careful},
    {"group", None, be_careful},
    // Read by mount(8) itself, or the only way a union works.
    {"defaults", None, ignore_option},
    {"auto", None, ignore_option},
    {"noauto", None, ignore_option},
    {"nofail", None, ignore_option},
    {"nouser", None, ignore_option},
    {"nousers", None, ignore_option},
    {"noowner", None, ignore_option},
    {"nogroup", None, ignore_option},
    {"_netdev", None, ignore_option},
    {"comment", Required, ignore_option},
    {"helper", Required, ignore_option},
    {"uhelper", Required, ignore_option},
    {"relatime", None, ignore_option},
    {"norelatime", None, ignore_option},
    {"diratime", None, ignore_option},
    {"nodiratime", None, ignore_option},
    {"strictatime", None, ignore_option},
    {"nostrictatime", None, ignore_option},
    {"lazytime", None, ignore_option},
    {"nolazytime", None, ignore_option},
    {"iversion", None, ignore_option},
    {"noiversion", None, ignore_option},
    {"async", None, ignore_option},
    {"loud", None, ignore_option},
    {"mand", None, ignore_option_with_warning},
    {"nomand", None, ignore_option},
    {"sync", None, ignore_option_with_warning},
    {"dirsync", None, ignore_option_with_warning},
    {"subtype", Required, ignore_option},
    {"nonempty", None, ignore_option},
    {"default_permissions", None, ignore_option},
    // What the mount table says of a FUSE mount; mount(8) repeats it for a remount.
    {"user_id", Required, ignore_option},
    {"group_id", Required, ignore_option},
    {"rootmode", Required, ignore_option},
    {"blksize", Required, ignore_option},
    // How other FUSE file systems are made faster.
    {"kernel_cache", None, ignore_option_with_warning},
    {"auto_cache", None, ignore_option_with_warning},
    {"noauto_cache", None, ignore_option_with_warning},
    {"direct_io", None, ignore_option_with_warning},
    {"attr_timeout", Required, ignore_option_with_warning},
    {"ac_attr_timeout", Required, ignore_option_with_warning},
    {"entry_timeout", Required, ignore_option_with_warning},
    {"negative_timeout", Required, ignore_option_with_warning},
    {"max_read", Required, ignore_option_with_warning},
    {"max_write", Required, ignore_option_with_warning},
    {"max_readahead", Required, ignore_option_with_warning},
    {"max_background", Required, ignore_option_with_warning},
    {"max_threads", Required, ignore_option_with_warning},
    {"max_idle_threads", Required, ignore_option_with_warning},
    {"clone_fd", None, ignore_option_with_warning},
    {"big_writes", None, ignore_option_with_warning},
    {"intr", None, ignore_option_with_warning},
    {"auto_unmount", None, ignore_option_with_warning},
};

}  // namespace

std::span<const OptionRule> generic_rules() noexcept {
  return kRules;
}

}  // namespace layerkit
