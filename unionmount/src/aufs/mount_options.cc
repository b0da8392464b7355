#include "layerkit/unionmount/mount_options.h"

#include <algorithm>
#include <iterator>
#include <unordered_map>

#include "layerkit/base/error.h"
#include "option_rules.h"
#include "option_text.h"

namespace layerkit {
namespace {

using RuleMap = std::unordered_map<std::string_view, const OptionRule*>;

const RuleMap& rules_by_key() {
  static const RuleMap rules = [] {
    RuleMap map;
    for (const std::span<const OptionRule> table :
         {setting_rules(), branch_rules(), overlay_rules(), generic_rules()})
      for (const OptionRule& rule : table)
        map.emplace(rule.key, &rule);
    return map;
  }();
  return rules;
}

/// AUFS takes "br:VALUE" for "br=VALUE", and so on.
bool takes_colon(std::string_view key) noexcept {
  for (const OptionRule& rule : branch_rules())
    if (rule.key == key) return true;
  return false;
}

Option split_option(std::string_view text) {
  std::size_t at = text.find_first_of("=:");
  if (at != std::string_view::npos && text[at] == ':' && !takes_colon(text.substr(0, at)))
    at = text.find('=');
  Option option{text, text.substr(0, at), std::nullopt};
  if (at != std::string_view::npos) option.value = text.substr(at + 1);
  return option;
}

/// mount(8) keeps these for itself and others to read.
bool is_comment(std::string_view key) noexcept {
  return key.starts_with("x-") || key.starts_with("X-");
}

void apply_option(const Option& option, OptionState& state) {
  if (is_comment(option.key) || apply_setting_switch(option, state.options.aufs)) return;
  const auto found = rules_by_key().find(option.key);
  if (found == rules_by_key().end()) fail(Errc::Invalid, "the option is unknown");
  const OptionRule& rule = *found->second;
  if (rule.value == ValueRule::None && option.value)
    fail(Errc::Invalid, "the option takes no value");
  if (rule.value == ValueRule::Required && !option.value)
    fail(Errc::Invalid, "the option needs a value");
  rule.apply(option, state);
}

void check_text(std::string_view text) {
  if (text.size() > kMaxMountOptionBytes)
    fail(Errc::Limit, "reading mount options: they have {} bytes, the limit is {}", text.size(),
         kMaxMountOptionBytes);
  if (text.find('\0') != std::string_view::npos)
    fail(Errc::Invalid, "reading mount options: they contain a NUL byte");
}

/// The branches of overlay's form, once all of it is known.
void finish_overlay_form(OptionState& state) {
  MountOptions& options = state.options;
  if (!state.upper && !options.work.empty()) {
    options.work.clear();
    add_warning(options.warnings, "ignored the option 'workdir': there is no upperdir");
  }
  if (!state.upper && state.lowers.empty() && options.data_directories.empty()) return;
  if (!options.branches.empty())
    fail(Errc::Invalid,
         "reading mount options: branches are given in AUFS's form (br) and in overlay's "
         "(lowerdir, upperdir), a mount uses one of them");
  options.whiteouts = WhiteoutFormat::Overlay;
  if (state.upper) options.branches.push_back(std::move(*state.upper));
  std::move(state.lowers.begin(), state.lowers.end(), std::back_inserter(options.branches));
}

/// Both say whether directories can be renamed; "dirren" was said later.
void drop_contradicted_redirect(MountOptions& options) {
  std::optional<OverlayRedirect>& redirect = options.overlay.redirect_dir;
  if (redirect && (redirect == OverlayRedirect::On) != options.aufs.rename_directories)
    redirect.reset();
}

}  // namespace

void check_branch_count(const OptionState& state) {
  const std::size_t count = state.options.branches.size() + state.inserted + state.lowers.size() +
                            state.options.data_directories.size() + (state.upper ? 1U : 0U);
  if (count >= kMaxBranches) fail(Errc::Limit, "there are more than {} branches", kMaxBranches);
}

void ignore_option(const Option& /*option*/, OptionState& /*state*/) {}

void ignore_option_with_warning(const Option& option, OptionState& state) {
  add_warning(state.options.warnings,
              fmt::format("ignored the option {}", quoted_start(option.text)));
}

void refuse_option(const Option& /*option*/, OptionState& /*state*/) {
  fail(Errc::Invalid, "the option is not supported");
}

MountOptions parse_mount_options(std::string_view text, const AufsSettings& current) {
  check_text(text);
  OptionState state;
  state.options.aufs = current;
  for (const std::string_view piece : split_unescaped(text, ',')) {
    if (piece.empty()) continue;
    with_context([&] { return fmt::format("reading the option {}", quoted_start(piece)); },
                 [&] { apply_option(split_option(piece), state); });
  }
  finish_overlay_form(state);
  drop_contradicted_redirect(state.options);
  return std::move(state.options);
}

}  // namespace layerkit
