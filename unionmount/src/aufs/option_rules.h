#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "layerkit/unionmount/mount_options.h"

namespace layerkit {

/// One option of the string, still escaped.
struct Option {
  std::string_view text;
  std::string_view key;
  std::optional<std::string_view> value;
};

/// What has been read so far.
struct OptionState {
  MountOptions options;
  // Overlay's form: in which order upperdir and lowerdir come does not matter.
  std::optional<BranchText> upper;
  std::vector<BranchText> lowers;
  std::size_t inserted = 0;  ///< branches in options.changes
};

enum class ValueRule { None, Required, Optional };

/// How one option is read. `apply` sees a value exactly where the rule says so; it throws without
/// naming the option.
struct OptionRule {
  std::string_view key;
  ValueRule value;
  void (*apply)(const Option& option, OptionState& state);
};

/// AUFS's words for its settings; false for an option that is none of them. "no" before a switch
/// turns it off.
bool apply_setting_switch(const Option& option, AufsSettings& settings);
std::span<const OptionRule> setting_rules() noexcept;
/// br, dirs, add, ins, append, prepend, del, mod.
std::span<const OptionRule> branch_rules() noexcept;
/// lowerdir, upperdir, workdir and the other words of overlayfs and fuse-overlayfs.
std::span<const OptionRule> overlay_rules() noexcept;
/// What mount(8) and FUSE file systems have in common.
std::span<const OptionRule> generic_rules() noexcept;

/// Throws Error{Limit} when one more branch would be too many.
void check_branch_count(const OptionState& state);

// For rules that have nothing to do.
void ignore_option(const Option& option, OptionState& state);
void ignore_option_with_warning(const Option& option, OptionState& state);
/// Throws Error{Invalid}: going on without it would not give what was asked for.
void refuse_option(const Option& option, OptionState& state);

}  // namespace layerkit
