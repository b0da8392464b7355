#include "policy_text.h"

#include <array>
#include <limits>

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "option_text.h"

namespace layerkit {
namespace {

constexpr unsigned kMaxRefreshSeconds = 3600;  // AUFS_MFS_MAX_SEC

/// What follows the name of a policy.
enum class Parameters {
  None,
  Seconds,   ///< [:SEC]
  LowWater,  ///< :LOW[:SEC]
};

struct CreateName {
  CreateRule rule;
  std::string_view name;
  std::string_view long_name;  ///< empty: has none
  Parameters parameters;
};

constexpr std::array<CreateName, 7> kCreateNames = {{
    {CreateRule::TopDownParent, "tdp", "top-down-parent", Parameters::None},
    {CreateRule::TopDownMostFree, "tdmfs", "", Parameters::LowWater},
    {CreateRule::RoundRobin, "rr", "round-robin", Parameters::None},
    {CreateRule::MostFree, "mfs", "most-free-space", Parameters::Seconds},
    {CreateRule::MostFreeRoundRobin, "mfsrr", "", Parameters::LowWater},
    {CreateRule::ParentMostFree, "pmfs", "", Parameters::Seconds},
    {CreateRule::ParentMostFreeRoundRobin, "pmfsrr", "", Parameters::LowWater},
}};

struct CopyUpName {
  CopyUpRule rule;
  std::string_view name;
  std::string_view long_name;
};

constexpr std::array<CopyUpName, 3> kCopyUpNames = {{
    {CopyUpRule::TopDownParent, "tdp", "top-down-parent"},
    {CopyUpRule::BottomUpParent, "bup", "bottom-up-parent"},
    {CopyUpRule::BottomUp, "bu", "bottom-up"},
}};

const CreateName& create_name(std::string_view name) {
  for (const CreateName& known : kCreateNames)
    if (!name.empty() && (name == known.name || name == known.long_name)) return known;
  fail(Errc::Invalid,
       "the policy {} is none of tdp, tdmfs:LOW, rr, mfs, mfsrr:LOW, pmfs, pmfsrr:LOW",
       quoted_start(name));
}

const CreateName& create_name(CreateRule rule) noexcept {
  for (const CreateName& known : kCreateNames)
    if (known.rule == rule) return known;
  return kCreateNames.front();
}

}  // namespace

CreatePolicy parse_create_policy(std::string_view text) {
  const std::vector<std::string_view> words = split(text, ':');
  const CreateName& name = create_name(words.front());
  CreatePolicy policy;
  policy.rule = name.rule;
  std::size_t next = 1;
  if (name.parameters == Parameters::LowWater) {
    if (next == words.size()) fail(Errc::Invalid, "the policy needs a number of bytes behind ':'");
    policy.low_water_bytes = parse_number(words[next++], std::numeric_limits<std::uint64_t>::max());
  }
  if (name.parameters != Parameters::None && next < words.size())
    policy.refresh_seconds = static_cast<unsigned>(parse_number(words[next++], kMaxRefreshSeconds));
  if (next < words.size()) fail(Errc::Invalid, "the policy takes fewer numbers");
  return policy;
}

CopyUpRule parse_copy_up_rule(std::string_view text) {
  for (const CopyUpName& known : kCopyUpNames)
    if (text == known.name || text == known.long_name) return known.rule;
  fail(Errc::Invalid, "the policy {} is none of tdp, bup, bu", quoted_start(text));
}

std::string format_create_policy(const CreatePolicy& policy) {
  const CreateName& name = create_name(policy.rule);
  std::string text(name.name);
  if (name.parameters == Parameters::LowWater) text += fmt::format(":{}", policy.low_water_bytes);
  if (name.parameters != Parameters::None &&
      policy.refresh_seconds != CreatePolicy{}.refresh_seconds)
    text += fmt::format(":{}", policy.refresh_seconds);
  return text;
}

std::string_view format_copy_up_rule(CopyUpRule rule) noexcept {
  for (const CopyUpName& known : kCopyUpNames)
    if (known.rule == rule) return known.name;
  return kCopyUpNames.front().name;
}

}  // namespace layerkit
