#include "seccomp_words.h"

#include <linux/seccomp.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"

namespace layerkit::runner {
namespace {

template <typename Value>
struct Word {
  std::string_view word;
  Value value;
};

constexpr std::array<Word<std::uint32_t>, 7> kActions = {{
    {"SCMP_ACT_KILL", SCMP_ACT_KILL_THREAD},
    {"SCMP_ACT_KILL_THREAD", SCMP_ACT_KILL_THREAD},
    {"SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS},
    {"SCMP_ACT_TRAP", SCMP_ACT_TRAP},
    {"SCMP_ACT_LOG", SCMP_ACT_LOG},
    {"SCMP_ACT_NOTIFY", SCMP_ACT_NOTIFY},
    {"SCMP_ACT_ALLOW", SCMP_ACT_ALLOW},
}};

constexpr std::array<Word<scmp_compare>, 7> kComparisons = {{
    {"SCMP_CMP_NE", SCMP_CMP_NE},
    {"SCMP_CMP_LT", SCMP_CMP_LT},
    {"SCMP_CMP_LE", SCMP_CMP_LE},
    {"SCMP_CMP_EQ", SCMP_CMP_EQ},
    {"SCMP_CMP_GE", SCMP_CMP_GE},
    {"SCMP_CMP_GT", SCMP_CMP_GT},
    {"SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ},
}};

constexpr std::array<Word<unsigned>, 4> kFlags = {{
    {"SECCOMP_FILTER_FLAG_TSYNC", 0},
    {"SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG},
    {"SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW},
    {"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV},
}};

constexpr std::string_view kErrno = "SCMP_ACT_ERRNO";
constexpr std::string_view kTrace = "SCMP_ACT_TRACE";

constexpr std::string_view kPrefix = "SCMP_ARCH_";
/// What OCI runtime spec, config-linux.md, "architectures" lists.
constexpr std::array<std::string_view, 23> kArchitectures = {
    "X86",     "X86_64",      "X32",  "ARM",   "AARCH64", "MIPS",     "MIPS64",     "MIPS64N32",
    "MIPSEL",  "MIPSEL64",    "PPC",  "PPC64", "PPC64LE", "S390",     "S390X",      "PARISC",
    "RISCV64", "LOONGARCH64", "M68K", "SH",    "SHEB",    "PARISC64", "MIPSEL64N32"};

template <typename Value, std::size_t Size>
const Value* find(const std::array<Word<Value>, Size>& all, std::string_view word) {
  for (const Word<Value>& each : all)
    if (each.word == word) return &each.value;
  return nullptr;
}

template <typename Value, std::size_t Size>
std::vector<std::string_view> words_of(const std::array<Word<Value>, Size>& all) {
  std::vector<std::string_view> words;
  for (const Word<Value>& each : all)
    words.push_back(each.word);
  std::sort(words.begin(), words.end());
  return words;
}

/// 0 where libseccomp does not know it.
std::uint32_t resolve_architecture(std::string_view name) {
  std::string lower(name);
  for (char& letter : lower)
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
  return seccomp_arch_resolve_name(lower.c_str());
}

std::uint32_t action_with_errno(const std::string& word, std::uint32_t errno_ret) {
  // MAX_ERRNO of the kernel, which would take larger ones for it; a tracer gets 16 bits.
  const bool is_errno = word == kErrno;
  const std::uint32_t max = is_errno ? 4095 : 0xffff;
  if (errno_ret > max)
    fail(Errc::Invalid, "reading seccomp action {}: errno {} is above {}", quoted(word), errno_ret,
         max);
  return is_errno ? SCMP_ACT_ERRNO(errno_ret) : SCMP_ACT_TRACE(errno_ret);
}

}  // namespace

std::uint32_t seccomp_action(const std::string& word, std::optional<std::uint32_t> errno_ret) {
  if (word == kErrno || word == kTrace) return action_with_errno(word, errno_ret.value_or(EPERM));
  const std::uint32_t* const action = find(kActions, word);
  if (action == nullptr)
    fail(Errc::Invalid, "reading seccomp action {}: no such action", quoted(word));
  if (errno_ret)
    fail(Errc::Invalid, "reading seccomp action {}: it takes no errno ({})", quoted(word),
         *errno_ret);
  return *action;
}

scmp_compare seccomp_comparison(const std::string& word) {
  const scmp_compare* const comparison = find(kComparisons, word);
  if (comparison == nullptr)
    fail(Errc::Invalid, "reading seccomp operator {}: no such operator", quoted(word));
  return *comparison;
}

std::uint32_t seccomp_architecture(const std::string& word) {
  for (const std::string_view name : kArchitectures) {
    if (!word.starts_with(kPrefix) || std::string_view(word).substr(kPrefix.size()) != name)
      continue;
    const std::uint32_t architecture = resolve_architecture(name);
    if (architecture == 0)
      fail(Errc::Unsupported, "reading seccomp architecture {}: libseccomp does not know it",
           quoted(word));
    return architecture;
  }
  fail(Errc::Invalid, "reading seccomp architecture {}: no such architecture", quoted(word));
}

unsigned seccomp_flag(const std::string& word) {
  const unsigned* const flag = find(kFlags, word);
  if (flag == nullptr) fail(Errc::Invalid, "reading seccomp flag {}: no such flag", quoted(word));
  return *flag;
}

SeccompWords seccomp_words() {
  SeccompWords words;
  words.actions = words_of(kActions);
  words.actions.insert(words.actions.end(), {kErrno, kTrace});
  std::sort(words.actions.begin(), words.actions.end());
  words.operators = words_of(kComparisons);
  for (const std::string_view name : kArchitectures) {
    if (resolve_architecture(name) != 0)
      words.architectures.push_back(fmt::format("{}{}", kPrefix, name));
  }
  std::sort(words.architectures.begin(), words.architectures.end());
  words.flags = words_of(kFlags);
  return words;
}

}  // namespace layerkit::runner
