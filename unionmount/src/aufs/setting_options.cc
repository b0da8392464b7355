#include <array>
#include <climits>
#include <utility>

#include "layerkit/base/error.h"
#include "option_rules.h"
#include "option_text.h"
#include "overlay_words.h"
#include "policy_text.h"

namespace layerkit {
namespace {

constexpr unsigned kMaxReaddirCacheSeconds = 3600;  // AUFS_RDCACHE_MAX
constexpr unsigned kMinReaddirBlock = NAME_MAX;
// KMALLOC_MAX_SIZE, and the list heads that fit there.
constexpr unsigned kMaxReaddirBlock = 1U << 22;
constexpr unsigned kMaxReaddirHash = kMaxReaddirBlock / 8;

struct Switch {
  std::string_view key;
  bool AufsSettings::*member;
};

constexpr std::array<Switch, 8> kSwitches = {{
    {"plink", &AufsSettings::pseudo_links},
    {"dio", &AufsSettings::direct_io},
    {"warn_perm", &AufsSettings::warn_permissions},
    {"shwh", &AufsSettings::show_whiteouts},
    {"dirperm1", &AufsSettings::top_permission_only},
    {"dirren", &AufsSettings::rename_directories},
    {"acl", &AufsSettings::acl},
    {"verbose", &AufsSettings::verbose},
}};

AufsSettings& settings_of(OptionState& state) noexcept {
  return state.options.aufs;
}

unsigned number_value(const Option& option, unsigned max) {
  return static_cast<unsigned>(parse_number(*option.value, max));
}

void be_verbose(const Option& /*option*/, OptionState& state) {
  settings_of(state).verbose = true;
}

void be_quiet(const Option& /*option*/, OptionState& state) {
  settings_of(state).verbose = false;
}

template <bool Sum, bool WritableOnly>
void set_sum(const Option& /*option*/, OptionState& state) {
  settings_of(state).sum_space = Sum;
  settings_of(state).sum_writable_only = WritableOnly;
}

/// AUFS's xino is a path. Overlay's says whether numbers are made unique: "./on" is a file.
void set_xino(const Option& option, OptionState& state) {
  AufsSettings& settings = settings_of(state);
  const std::string_view value = *option.value;
  const std::optional<OverlayXino> word = find_value(kXinoWords, value);
  settings.inode_table_path = word ? "" : parse_path(value);
  settings.inode_table = word != OverlayXino::Off;
  state.options.overlay.xino = word;
}

void clear_xino(const Option& /*option*/, OptionState& state) {
  settings_of(state).inode_table = false;
  settings_of(state).inode_table_path.clear();
  state.options.overlay.xino.reset();
}

void set_udba(const Option& option, OptionState& state) {
  const std::string_view value = *option.value;
  if (value == "none") {
    settings_of(state).udba = Udba::None;
  } else if (value == "reval") {
    settings_of(state).udba = Udba::Revalidate;
  } else if (value == "notify" || value == "fsnotify") {
    settings_of(state).udba = Udba::Notify;
  } else {
    fail(Errc::Invalid, "the value is none of none, reval, notify");
  }
}

void set_opaque(const Option& option, OptionState& state) {
  const std::string_view value = *option.value;
  if (value == "a" || value == "always") {
    settings_of(state).always_opaque = true;
  } else if (value == "w" || value == "whiteouted") {
    settings_of(state).always_opaque = false;
  } else {
    fail(Errc::Invalid, "the value is none of always, a, whiteouted, w");
  }
}

void set_dirwh(const Option& option, OptionState& state) {
  settings_of(state).inline_whiteout_limit = number_value(option, INT_MAX);
}

void set_rdcache(const Option& option, OptionState& state) {
  settings_of(state).readdir_cache_seconds = number_value(option, kMaxReaddirCacheSeconds);
}

void set_rdblk(const Option& option, OptionState& state) {
  unsigned bytes = AufsSettings{}.readdir_block_bytes;
  if (*option.value != "def") bytes = number_value(option, kMaxReaddirBlock);
  if (bytes != 0 && bytes < kMinReaddirBlock)  // 0: as large as the directory needs
    fail(Errc::Invalid, "the number {} is neither 0 nor at least {}", bytes, kMinReaddirBlock);
  settings_of(state).readdir_block_bytes = bytes;
}

void set_rdhash(const Option& option, OptionState& state) {
  settings_of(state).readdir_hash_size = *option.value == "def"
                                             ? AufsSettings{}.readdir_hash_size
                                             : number_value(option, kMaxReaddirHash);
}

void set_fhsm(const Option& option, OptionState& state) {
  settings_of(state).fhsm_seconds = number_value(option, INT_MAX);
}

void set_create(const Option& option, OptionState& state) {
  settings_of(state).create = parse_create_policy(*option.value);
}

void set_copy_up(const Option& option, OptionState& state) {
  settings_of(state).copy_up = parse_copy_up_rule(*option.value);
}

void set_id(const Option& option, OptionState& state) {
  state.options.id = unescape(*option.value);
}

using enum ValueRule;

constexpr OptionRule kRules[] = {
    {"v", None, be_verbose},
    {"quiet", None, be_quiet},
    {"q", None, be_quiet},
    {"silent", None, be_quiet},
    {"sum", None, set_sum<true, false>},
    {"nosum", None, set_sum<false, false>},
    {"wsum", None, set_sum<true, true>},
    {"xino", Required, set_xino},
    {"noxino", None, clear_xino},
    {"udba", Required, set_udba},
    {"diropq", Required, set_opaque},
    {"dirwh", Required, set_dirwh},
    {"rdcache", Required, set_rdcache},
    {"rdblk", Required, set_rdblk},
    {"rdhash", Required, set_rdhash},
    {"fhsm_sec", Required, set_fhsm},
    {"create", Required, set_create},
    {"create_policy", Required, set_create},
    {"cpup", Required, set_copy_up},
    {"copyup", Required, set_copy_up},
    {"copyup_policy", Required, set_copy_up},
    {"si", Required, set_id},
    // When a table of the kernel's is cut off.
    {"trunc_xino", Optional, ignore_option_with_warning},
    {"notrunc_xino", None, ignore_option},
    {"trunc_xino_path", Required, ignore_option_with_warning},
    {"itrunc_xino", Required, ignore_option_with_warning},
    {"trunc_xib", None, ignore_option_with_warning},
    {"notrunc_xib", None, ignore_option},
    // Of mount.aufs alone: shorthands for what makes a short-lived mount faster.
    {"droplvl", Required, ignore_option_with_warning},
    {"ephemeral", None, ignore_option_with_warning},
    // Of AUFS as it was or is when debugged.
    {"list_plink", None, ignore_option_with_warning},
    {"clean_plink", None, ignore_option_with_warning},
    {"debug", Optional, ignore_option_with_warning},
    {"delete", Required, ignore_option_with_warning},
    {"imap", Required, ignore_option_with_warning},
    {"nodlgt", None, ignore_option_with_warning},
};

}  // namespace

bool apply_setting_switch(const Option& option, AufsSettings& settings) {
  const bool turn_off = option.key.starts_with("no");
  for (const Switch& known : kSwitches) {
    if (option.key.substr(turn_off ? 2 : 0) != known.key) continue;
    if (option.value) fail(Errc::Invalid, "the option takes no value");
    settings.*known.member = !turn_off;
    return true;
  }
  return false;
}

std::span<const OptionRule> setting_rules() noexcept {
  return kRules;
}

}  // namespace layerkit
