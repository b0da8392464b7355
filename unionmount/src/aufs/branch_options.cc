#include "layerkit/base/error.h"
#include "option_rules.h"
#include "option_text.h"

namespace layerkit {
namespace {

BranchText read_branch(std::string_view text, OptionState& state) {
  check_branch_count(state);
  return parse_branch(text, state.options.warnings);
}

/// Several of them add up, as in AUFS, which does not mind a colon at the end.
void add_branches(const Option& option, OptionState& state) {
  std::vector<std::string_view> list = split_unescaped(*option.value, ':');
  if (list.size() > 1 && list.back().empty()) list.pop_back();
  for (const std::string_view text : list)
    state.options.branches.push_back(read_branch(text, state));
}

void insert_at(int index, std::string_view text, OptionState& state) {
  state.options.changes.emplace_back(InsertBranch{index, read_branch(text, state)});
  ++state.inserted;
}

/// "ins:INDEX:BRANCH".
void insert_branch(const Option& option, OptionState& state) {
  const std::size_t colon = option.value->find(':');
  if (colon == std::string_view::npos)
    fail(Errc::Invalid, "the option needs an index, ':' and a branch");
  const std::uint64_t index = parse_number(option.value->substr(0, colon), kMaxBranches - 1);
  insert_at(static_cast<int>(index), option.value->substr(colon + 1), state);
}

void append_branch(const Option& option, OptionState& state) {
  insert_at(-1, *option.value, state);
}

void prepend_branch(const Option& option, OptionState& state) {
  insert_at(0, *option.value, state);
}

void delete_branch(const Option& option, OptionState& state) {
  state.options.changes.emplace_back(DeleteBranch{parse_path(*option.value)});
}

void modify_branch(const Option& option, OptionState& state) {
  BranchText branch = parse_branch(*option.value, state.options.warnings);
  if (!branch.access_given) fail(Errc::Invalid, "the option needs '=' and a permission");
  state.options.changes.emplace_back(ModifyBranch{std::move(branch)});
}

using enum ValueRule;

constexpr OptionRule kRules[] = {
    {"br", Required, add_branches},      {"dirs", Required, add_branches},
    {"add", Required, insert_branch},    {"ins", Required, insert_branch},
    {"append", Required, append_branch}, {"prepend", Required, prepend_branch},
    {"del", Required, delete_branch},    {"mod", Required, modify_branch},
};

}  // namespace

std::span<const OptionRule> branch_rules() noexcept {
  return kRules;
}

}  // namespace layerkit
