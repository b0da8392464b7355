#include "seccomp/seccomp_ranges.h"

#include <algorithm>
#include <cstddef>
#include <random>

#include "layerkit/base/error.h"
#include "layerkit/runner/container_spec.h"
#include "seccomp_run.h"

namespace layerkit::runner {
namespace {

using testing::answer;
using testing::profile_of;
using testing::rule;

constexpr std::uint32_t kX32 = 0x40000000;

sock_filter load(std::size_t offset) {
  return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset));
}
sock_filter load_number() {
  return load(offsetof(seccomp_data, nr));
}
sock_filter load_architecture() {
  return load(offsetof(seccomp_data, arch));
}
sock_filter load_argument() {
  return load(offsetof(seccomp_data, args));
}
sock_filter jump(unsigned test, std::uint32_t value, unsigned yes, unsigned no) {
  return BPF_JUMP(static_cast<std::uint16_t>(BPF_JMP | BPF_K | test), value,
                  static_cast<std::uint8_t>(yes), static_cast<std::uint8_t>(no));
}
sock_filter give(std::uint32_t value) {
  return BPF_STMT(BPF_RET | BPF_K, value);
}

bool same(const std::vector<sock_filter>& a, const std::vector<sock_filter>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const sock_filter& one, const sock_filter& other) {
                      return one.code == other.code && one.jt == other.jt && one.jf == other.jf &&
                             one.k == other.k;
                    });
}

/// Numbers around everything that a program compares with, and at both ends.
std::vector<std::uint32_t> edges_of(const std::vector<sock_filter>& program) {
  std::vector<std::uint32_t> edges = {0, 1, 0x7fffffff, 0x80000000, 0xbfffffff, 0xffffffff};
  for (const sock_filter& each : program) {
    if (BPF_CLASS(each.code) != BPF_JMP) continue;
    for (const std::uint32_t edge : {each.k - 1, each.k, each.k + 1}) {
      edges.push_back(edge);
      edges.push_back(edge ^ kX32);
    }
  }
  std::sort(edges.begin(), edges.end());
  edges.erase(std::unique(edges.begin(), edges.end()), edges.end());
  return edges;
}

/// Both programs answer the same to every number that matters, with arguments from `values`.
void expect_same_answers(const std::vector<sock_filter>& whole,
                         const std::vector<sock_filter>& merged,
                         const std::vector<std::uint64_t>& values,
                         std::mt19937& random) {
  constexpr std::uint32_t kArchitectures[] = {
      AUDIT_ARCH_X86_64, AUDIT_ARCH_I386, AUDIT_ARCH_AARCH64, AUDIT_ARCH_ARM, 0, 0x12345678};
  for (const std::uint32_t architecture : kArchitectures) {
    for (const std::uint32_t number : edges_of(whole)) {
      for (int turn = 0; turn < 4; ++turn) {
        seccomp_data call{};
        call.nr = static_cast<int>(number);
        call.arch = architecture;
        for (auto& argument : call.args) {
          argument = values[random() % values.size()];
          if (turn > 1) argument ^= 1ULL << (random() % 64);
        }
        ASSERT_EQ(answer(merged, call), answer(whole, call))
            << "architecture " << architecture << " number " << number << " first argument "
            << call.args[0];
      }
    }
  }
}

void expect_valid(const std::vector<sock_filter>& program) {
  ASSERT_FALSE(program.empty());
  for (std::size_t at = 0; at < program.size(); ++at) {
    const sock_filter& now = program[at];
    if (BPF_CLASS(now.code) == BPF_RET) continue;
    const std::size_t furthest = now.code == (BPF_JMP | BPF_JA) ? now.k
                                 : BPF_CLASS(now.code) == BPF_JMP
                                     ? std::max<std::size_t>(now.jt, now.jf)
                                     : 0;
    ASSERT_LT(at + 1 + furthest, program.size());
  }
}

TEST(SeccompRangesTest, TheDefaultProfileBecomesAThirdAndAnswersTheSame) {
  std::mt19937 random(1);
  for (const std::vector<std::string>& capabilities :
       {default_capabilities(), std::vector<std::string>{}}) {
    const SeccompProfile profile = default_seccomp_profile(capabilities);
    const std::vector<sock_filter> whole = whole_seccomp_program(profile, Context());
    const std::vector<sock_filter> merged = merge_ranges(whole);
    expect_valid(merged);
    EXPECT_LT(merged.size() * 3, whole.size()) << merged.size();
    expect_same_answers(whole, merged,
                        {0, 1, 8, 0x20000, 0x20008, 0xffffffff, 40, 38, 0x7e020000, 0x10000000},
                        random);
  }
}

SeccompProfile random_profile(std::mt19937& random) {
  constexpr const char* kActions[] = {"SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_LOG",
                                      "SCMP_ACT_TRAP",  "SCMP_ACT_KILL",  "SCMP_ACT_KILL_PROCESS",
                                      "SCMP_ACT_TRACE"};
  constexpr const char* kArchitectures[] = {"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32",
                                            "SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"};
  constexpr const char* kOperators[] = {"SCMP_CMP_NE",       "SCMP_CMP_LT", "SCMP_CMP_LE",
                                        "SCMP_CMP_EQ",       "SCMP_CMP_GE", "SCMP_CMP_GT",
                                        "SCMP_CMP_MASKED_EQ"};
  std::vector<std::string> names;
  for (const SeccompProfile::Rule& each : default_seccomp_profile({}).syscalls)
    names.insert(names.end(), each.names.begin(), each.names.end());
  SeccompProfile profile = profile_of(kActions[random() % 3], {});
  for (const char* const architecture : kArchitectures)
    if (random() % 3 == 0) profile.architectures.emplace_back(architecture);
  const std::size_t rules = random() % 12;
  for (std::size_t i = 0; i < rules; ++i) {
    SeccompProfile::Rule made = rule({}, kActions[random() % std::size(kActions)]);
    if (made.action == "SCMP_ACT_ERRNO")
      made.errno_ret = static_cast<std::uint32_t>(random() % 100);
    // Single ones here and there, and long runs of neighbours.
    const std::size_t count = random() % 2 == 0 ? 1 + random() % 4 : 1 + random() % 120;
    const std::size_t first = random() % names.size();
    for (std::size_t j = 0; j < count && first + j < names.size(); ++j)
      made.names.push_back(names[first + j]);
    if (random() % 4 == 0) {
      const auto index = static_cast<std::uint32_t>(random() % 6);
      made.args = {
          {index, random() % 8, random() % 8, kOperators[random() % std::size(kOperators)]}};
      if (random() % 2 == 0) made.args.push_back({(index + 1) % 6, 1ULL << 33U, 0, "SCMP_CMP_EQ"});
    }
    profile.syscalls.push_back(std::move(made));
  }
  return profile;
}

TEST(SeccompRangesTest, RandomProfilesAnswerTheSame) {
  std::mt19937 random(2);
  std::size_t shorter = 0;
  for (int turn = 0; turn < 200; ++turn) {
    SCOPED_TRACE(turn);
    std::vector<sock_filter> whole;
    try {
      whole = whole_seccomp_program(random_profile(random), Context());
    } catch (const Error&) {
      continue;  // rules that libseccomp does not take together
    }
    const std::vector<sock_filter> merged = merge_ranges(whole);
    expect_valid(merged);
    EXPECT_LE(merged.size(), whole.size());
    if (merged.size() < whole.size()) ++shorter;
    expect_same_answers(whole, merged, {0, 1, 2, 3, 4, 5, 6, 7, 8, 1ULL << 33U}, random);
    if (HasFatalFailure()) return;
  }
  EXPECT_GT(shorter, 80U);
}

/// Trees and comparisons so long that single jumps do not reach.
TEST(SeccompRangesTest, WhatIsFarAwayIsReached) {
  std::vector<sock_filter> whole = {load_architecture(), jump(BPF_JEQ, AUDIT_ARCH_X86_64, 1, 0),
                                    give(SECCOMP_RET_KILL_PROCESS), load_number()};
  for (unsigned number = 0; number < 600; ++number) {
    // Every second one looks at an argument of its own; runs of those between have one answer.
    if (number % 2 == 0) {
      whole.push_back(jump(BPF_JEQ, number, 0, 4));
      whole.push_back(load_argument());
      whole.push_back(jump(BPF_JEQ, number, 0, 1));
      whole.push_back(give(SECCOMP_RET_ALLOW));
      whole.push_back(give(SECCOMP_RET_ERRNO | number));
    } else {
      whole.push_back(jump(BPF_JEQ, number, 0, 1));
      whole.push_back(give(SECCOMP_RET_ERRNO | (number / 50)));
    }
  }
  whole.push_back(give(SECCOMP_RET_LOG));
  const std::vector<sock_filter> merged = merge_ranges(whole);
  expect_valid(merged);
  EXPECT_LE(merged.size(), whole.size());
  std::mt19937 random(3);
  expect_same_answers(whole, merged, {0, 2, 4, 100, 598}, random);
}

TEST(SeccompRangesTest, OneAnswerForAllIsOneInstruction) {
  const std::vector<sock_filter> whole = {
      load_architecture(),     jump(BPF_JEQ, AUDIT_ARCH_X86_64, 0, 3),
      load_number(),           jump(BPF_JEQ, 5, 0, 1),
      give(SECCOMP_RET_ALLOW), give(SECCOMP_RET_ALLOW)};
  const std::vector<sock_filter> merged = merge_ranges(whole);
  EXPECT_LT(merged.size(), whole.size());
  std::mt19937 random(4);
  expect_same_answers(whole, merged, {0}, random);
}

/// Bits that libseccomp and refuse_newer_calls() test.
TEST(SeccompRangesTest, TheBitOfX32Parts) {
  const std::vector<sock_filter> whole = {load_number(),
                                          jump(BPF_JSET, kX32, 0, 5),
                                          jump(BPF_JEQ, kX32 + 1, 3, 0),
                                          jump(BPF_JEQ, kX32 + 2, 2, 0),
                                          jump(BPF_JEQ, kX32 + 3, 1, 0),
                                          give(SECCOMP_RET_KILL_THREAD),
                                          give(SECCOMP_RET_ALLOW),
                                          jump(BPF_JGT, 7, 0, 1),
                                          give(SECCOMP_RET_TRAP),
                                          give(SECCOMP_RET_LOG)};
  const std::vector<sock_filter> merged = merge_ranges(whole);
  expect_valid(merged);
  std::mt19937 random(5);
  expect_same_answers(whole, merged, {0}, random);
}

TEST(SeccompRangesTest, WhatIsNotFollowedStaysAsItIs) {
  const std::vector<std::vector<sock_filter>> programs = {
      // Arithmetic on the number.
      {load_number(), BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xff), jump(BPF_JEQ, 3, 0, 1),
       give(SECCOMP_RET_ALLOW), give(SECCOMP_RET_KILL_THREAD)},
      // Architectures in order.
      {load_architecture(), jump(BPF_JGE, 3, 0, 1), give(SECCOMP_RET_ALLOW),
       give(SECCOMP_RET_KILL_THREAD)},
      // Low bits of the number.
      {load_number(), jump(BPF_JSET, 1, 0, 1), give(SECCOMP_RET_ALLOW),
       give(SECCOMP_RET_KILL_THREAD)},
      {load_number(), jump(BPF_JSET, kX32 | 0x80000000, 0, 1), give(SECCOMP_RET_ALLOW),
       give(SECCOMP_RET_KILL_THREAD)},
      // Nothing is loaded yet.
      {jump(BPF_JEQ, 0, 0, 1), give(SECCOMP_RET_ALLOW), give(SECCOMP_RET_KILL_THREAD)},
      // No end.
      {load_number(), jump(BPF_JEQ, 0, 0, 7), give(SECCOMP_RET_ALLOW)},
      {load_architecture()},
      {}};
  for (const std::vector<sock_filter>& program : programs)
    EXPECT_TRUE(same(merge_ranges(program), program));
}

}  // namespace
}  // namespace layerkit::runner
