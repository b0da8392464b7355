#include "seccomp/seccomp_filter.h"

#include <sys/utsname.h>

#include <csignal>

#include "expect_error.h"
#include "seccomp_run.h"

namespace layerkit::runner {
namespace {

using layerkit::testing::expect_error;
using testing::answer;
using testing::error_of;
using testing::fails_with;
using testing::kAllowed;
using testing::kBadSystemCall;
using testing::kKilled;
using testing::profile_of;
using testing::rule;
using testing::run_filtered;

SeccompFilter compile(const SeccompProfile& profile) {
  return compile_seccomp(profile, Context());
}

/// Allowed but for getppid.
SeccompProfile getppid_gets(std::string action, std::optional<std::uint32_t> errno_ret = {}) {
  return profile_of("SCMP_ACT_ALLOW", {rule({"getppid"}, std::move(action), errno_ret)});
}

int run_getppid(const SeccompProfile& profile) {
  return run_filtered(compile(profile), [] { return error_of(SYS_getppid); });
}

void expect_refused(Errc code, const std::string& text, const SeccompProfile& profile) {
  expect_error(code, text, [&] { compile(profile); });
}

TEST(SeccompFilterTest, ActionsDoWhatTheySay) {
  EXPECT_EQ(run_getppid(getppid_gets("SCMP_ACT_ALLOW")), 0);
  EXPECT_EQ(run_getppid(getppid_gets("SCMP_ACT_LOG")), 0);
  EXPECT_EQ(run_getppid(getppid_gets("SCMP_ACT_ERRNO")), EPERM);
  EXPECT_EQ(run_getppid(getppid_gets("SCMP_ACT_ERRNO", EXDEV)), EXDEV);
  EXPECT_EQ(run_getppid(getppid_gets("SCMP_ACT_KILL")), kBadSystemCall);
  EXPECT_EQ(run_getppid(getppid_gets("SCMP_ACT_KILL_THREAD")), kBadSystemCall);
  EXPECT_EQ(run_getppid(getppid_gets("SCMP_ACT_KILL_PROCESS")), kBadSystemCall);
  EXPECT_EQ(run_getppid(getppid_gets("SCMP_ACT_TRAP")), kBadSystemCall);
  EXPECT_EQ(run_getppid(getppid_gets("SCMP_ACT_TRACE")), ENOSYS) << "nobody traces";
}

TEST(SeccompFilterTest, ActionsAreTheKernelsValues) {
  const auto getppid = [](const std::string& action, std::optional<std::uint32_t> errno_ret = {}) {
    return answer(compile(getppid_gets(action, errno_ret)), SYS_getppid);
  };
  EXPECT_EQ(getppid("SCMP_ACT_KILL"), SECCOMP_RET_KILL_THREAD);
  EXPECT_EQ(getppid("SCMP_ACT_KILL_THREAD"), SECCOMP_RET_KILL_THREAD);
  EXPECT_EQ(getppid("SCMP_ACT_KILL_PROCESS"), SECCOMP_RET_KILL_PROCESS);
  EXPECT_EQ(getppid("SCMP_ACT_TRAP"), SECCOMP_RET_TRAP);
  EXPECT_EQ(getppid("SCMP_ACT_LOG"), SECCOMP_RET_LOG);
  EXPECT_EQ(getppid("SCMP_ACT_TRACE", 0xabcd), SECCOMP_RET_TRACE | 0xabcdU);
  EXPECT_EQ(getppid("SCMP_ACT_ERRNO", 0), fails_with(0));
}

TEST(SeccompFilterTest, DefaultActionIsForWhatNoRuleNames) {
  SeccompProfile profile =
      profile_of("SCMP_ACT_ERRNO", {rule({"exit_group", "exit", "getppid"}, "SCMP_ACT_ALLOW")});
  profile.default_errno_ret = ENXIO;
  EXPECT_EQ(run_getppid(profile), 0);
  EXPECT_EQ(run_filtered(compile(profile), [] { return error_of(SYS_getpgid, 0); }), ENXIO);
  profile.default_errno_ret.reset();
  EXPECT_EQ(run_filtered(compile(profile), [] { return error_of(SYS_getpgid, 0); }), EPERM);
  profile.default_action = "SCMP_ACT_KILL_PROCESS";
  EXPECT_EQ(run_filtered(compile(profile), [] { return error_of(SYS_getpgid, 0); }),
            kBadSystemCall);
}

/// Whether a rule that compares the second argument of lseek catches it.
bool catches(const SeccompProfile::Argument& compared, std::uint64_t argument) {
  SeccompProfile::Rule caught = rule({"lseek"}, "SCMP_ACT_ERRNO", EXDEV);
  caught.args = {compared};
  const int error = run_filtered(compile(profile_of("SCMP_ACT_ALLOW", {caught})),
                                 [&] { return error_of(SYS_lseek, -1, argument, 0); });
  EXPECT_TRUE(error == EXDEV || error == EBADF) << error;
  return error == EXDEV;
}

TEST(SeccompFilterTest, OperatorsCompareAll64Bits) {
  constexpr std::uint64_t kValue = 0x5'0000'0007;
  struct Case {
    const char* op;
    bool less, equal, more;
  };
  for (const Case& each :
       {Case{"SCMP_CMP_NE", true, false, true}, Case{"SCMP_CMP_LT", true, false, false},
        Case{"SCMP_CMP_LE", true, true, false}, Case{"SCMP_CMP_EQ", false, true, false},
        Case{"SCMP_CMP_GE", false, true, true}, Case{"SCMP_CMP_GT", false, false, true}}) {
    SCOPED_TRACE(each.op);
    const SeccompProfile::Argument compared{1, kValue, 0, each.op};
    EXPECT_EQ(catches(compared, kValue), each.equal);
    EXPECT_EQ(catches(compared, kValue - 1), each.less);
    EXPECT_EQ(catches(compared, kValue - 0x1'0000'0000), each.less);
    EXPECT_EQ(catches(compared, kValue + 1), each.more);
    EXPECT_EQ(catches(compared, kValue + 0x1'0000'0000), each.more);
  }
}

TEST(SeccompFilterTest, MaskedComparisonTakesTheMaskFirst) {
  const SeccompProfile::Argument compared{1, 0xf0'0000'00f0, 0x10'0000'0020, "SCMP_CMP_MASKED_EQ"};
  EXPECT_TRUE(catches(compared, 0x10'0000'0020));
  EXPECT_TRUE(catches(compared, 0x1f'ffff'ff2f));
  EXPECT_FALSE(catches(compared, 0x10'0000'0030));
  EXPECT_FALSE(catches(compared, 0x20'0000'0020));
}

TEST(SeccompFilterTest, ComparisonsOfDifferentArgumentsMustAllHold) {
  SeccompProfile::Rule both = rule({"lseek"}, "SCMP_ACT_ERRNO");
  both.args = {{1, 5, 0, "SCMP_CMP_EQ"}, {2, 1, 0, "SCMP_CMP_EQ"}};
  const SeccompFilter filter = compile(profile_of("SCMP_ACT_ALLOW", {both}));
  EXPECT_EQ(answer(filter, SYS_lseek, {0, 5, 1}), fails_with(EPERM));
  EXPECT_EQ(answer(filter, SYS_lseek, {0, 5, 2}), kAllowed);
  EXPECT_EQ(answer(filter, SYS_lseek, {0, 6, 1}), kAllowed);
}

TEST(SeccompFilterTest, ComparisonsOfOneArgumentAreAlternatives) {
  SeccompProfile::Rule either = rule({"lseek"}, "SCMP_ACT_ERRNO");
  either.args = {{1, 5, 0, "SCMP_CMP_EQ"}, {2, 1, 0, "SCMP_CMP_EQ"}, {1, 9, 0, "SCMP_CMP_EQ"}};
  const SeccompFilter filter = compile(profile_of("SCMP_ACT_ALLOW", {either}));
  EXPECT_EQ(answer(filter, SYS_lseek, {0, 5, 2}), fails_with(EPERM));
  EXPECT_EQ(answer(filter, SYS_lseek, {0, 9, 2}), fails_with(EPERM));
  EXPECT_EQ(answer(filter, SYS_lseek, {0, 4, 1}), fails_with(EPERM));
  EXPECT_EQ(answer(filter, SYS_lseek, {0, 4, 2}), kAllowed);
}

TEST(SeccompFilterTest, UnknownSystemCallsArePassedOver) {
  const SeccompProfile profile =
      profile_of("SCMP_ACT_ALLOW", {rule({"no_such_call", "", "getppid"}, "SCMP_ACT_ERRNO"),
                                    rule({std::string("getpid\0x", 8)}, "SCMP_ACT_ERRNO")});
  EXPECT_EQ(run_getppid(profile), EPERM);
  EXPECT_EQ(answer(compile(profile), SYS_getpid), kAllowed);
}

TEST(SeccompFilterTest, RulesOfTheDefaultActionArePassedOver) {
  EXPECT_EQ(run_getppid(profile_of("SCMP_ACT_ALLOW", {rule({"getppid"}, "SCMP_ACT_ALLOW")})), 0);
  const SeccompProfile denies =
      profile_of("SCMP_ACT_ERRNO", {rule({"getppid"}, "SCMP_ACT_ERRNO", EPERM),
                                    rule({"getpid", "exit_group"}, "SCMP_ACT_ALLOW")});
  EXPECT_EQ(answer(compile(denies), SYS_getppid), fails_with(EPERM));
  EXPECT_EQ(answer(compile(denies), SYS_getpid), kAllowed);
}

TEST(SeccompFilterTest, WordsThatAreNoneAreRefused) {
  expect_refused(Errc::Invalid, "reading seccomp action 'SCMP_ACT_X': no such action",
                 profile_of("SCMP_ACT_X", {}));
  expect_refused(Errc::Invalid, "reading seccomp action '': no such action", profile_of("", {}));
  expect_refused(Errc::Invalid, "reading seccomp action 'ALLOW': no such action",
                 getppid_gets("ALLOW"));
  SeccompProfile profile = getppid_gets("SCMP_ACT_ERRNO");
  profile.architectures = {"SCMP_ARCH_Z80"};
  expect_refused(Errc::Invalid, "reading seccomp architecture 'SCMP_ARCH_Z80': no such", profile);
  profile.architectures = {"x86"};
  expect_refused(Errc::Invalid, "reading seccomp architecture 'x86': no such", profile);
  profile.architectures = {"SCMP_ARCH_x86"};
  expect_refused(Errc::Invalid, "reading seccomp architecture 'SCMP_ARCH_x86': no such", profile);
  // Of the other byte order.
  profile.architectures = {"SCMP_ARCH_S390X"};
  expect_refused(Errc::Unsupported, "adding seccomp architecture 'SCMP_ARCH_S390X': ", profile);
  profile.architectures.clear();
  profile.flags = {"SECCOMP_FILTER_FLAG_X"};
  expect_refused(Errc::Invalid, "reading seccomp flag 'SECCOMP_FILTER_FLAG_X': no such", profile);
  profile.flags.clear();
  profile.syscalls[0].args = {{0, 1, 0, "SCMP_CMP_X"}};
  expect_refused(Errc::Invalid, "reading seccomp operator 'SCMP_CMP_X': no such", profile);
  profile.syscalls[0].args = {{6, 1, 0, "SCMP_CMP_EQ"}};
  expect_refused(Errc::Invalid, "reading the seccomp rule for 'getppid': no argument 6", profile);
}

TEST(SeccompFilterTest, ErrnoIsRefusedWhereNoneIsTaken) {
  expect_refused(Errc::Invalid, "reading seccomp action 'SCMP_ACT_KILL': it takes no errno (1)",
                 getppid_gets("SCMP_ACT_KILL", 1));
  expect_refused(Errc::Invalid, "reading seccomp action 'SCMP_ACT_ERRNO': errno 4096 is above 4095",
                 getppid_gets("SCMP_ACT_ERRNO", 4096));
  SeccompProfile profile = getppid_gets("SCMP_ACT_ERRNO");
  profile.default_errno_ret = 1;
  expect_refused(Errc::Invalid, "reading seccomp action 'SCMP_ACT_ALLOW': it takes no errno (1)",
                 profile);
}

TEST(SeccompFilterTest, NotificationNeedsAListener) {
  const SeccompFilter filter = compile(getppid_gets("SCMP_ACT_NOTIFY"));
  EXPECT_TRUE(filter.needs_listener);
  EXPECT_EQ(filter.flags, SECCOMP_FILTER_FLAG_NEW_LISTENER);
  EXPECT_EQ(answer(filter, SYS_getppid), SECCOMP_RET_USER_NOTIF);
  EXPECT_EQ(run_filtered(filter, [] { return 7; }), 7);
  EXPECT_FALSE(compile(getppid_gets("SCMP_ACT_ERRNO")).needs_listener);
}

TEST(SeccompFilterTest, NotificationThatWouldStopTheStartIsRefused) {
  expect_refused(Errc::Invalid, "SCMP_ACT_NOTIFY cannot be the default action",
                 profile_of("SCMP_ACT_NOTIFY", {}));
  expect_refused(Errc::Invalid, "reading the seccomp rule for 'write': SCMP_ACT_NOTIFY cannot be",
                 profile_of("SCMP_ACT_ALLOW", {rule({"read", "write"}, "SCMP_ACT_NOTIFY")}));
}

TEST(SeccompFilterTest, FlagsAreTheKernelsBits) {
  SeccompProfile profile = getppid_gets("SCMP_ACT_ERRNO");
  EXPECT_EQ(compile(profile).flags, 0U);
  profile.flags = {"SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_LOG",
                   "SECCOMP_FILTER_FLAG_SPEC_ALLOW"};
  EXPECT_EQ(compile(profile).flags, SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_SPEC_ALLOW);
  EXPECT_EQ(run_getppid(profile), EPERM);
  profile.flags = {"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"};
  expect_refused(Errc::Invalid, "no rule has the action SCMP_ACT_NOTIFY", profile);
  profile.syscalls[0].action = "SCMP_ACT_NOTIFY";
  EXPECT_EQ(compile(profile).flags,
            SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV | SECCOMP_FILTER_FLAG_NEW_LISTENER);
  EXPECT_EQ(run_filtered(compile(profile), [] { return 7; }), 7);
}

/// As with runc and crun.
TEST(SeccompFilterTest, FirstRuleOfACallCounts) {
  const SeccompProfile profile =
      profile_of("SCMP_ACT_ALLOW",
                 {rule({"getppid"}, "SCMP_ACT_ERRNO"), rule({"getppid"}, "SCMP_ACT_KILL_PROCESS")});
  EXPECT_EQ(answer(compile(profile), SYS_getppid), fails_with(EPERM));
}

TEST(SeccompFilterTest, RulesAndProgramsAreBounded) {
  const std::vector<std::string> many(kMaxSeccompRules + 1, "getppid");
  expect_refused(Errc::Limit, "reading the seccomp profile: more than 4096 rules",
                 profile_of("SCMP_ACT_ALLOW", {rule(many, "SCMP_ACT_ERRNO")}));
  std::vector<SeccompProfile::Rule> rules;
  for (std::uint64_t value = 0; value < 1100; ++value) {
    rules.push_back(rule({"lseek"}, "SCMP_ACT_ERRNO"));
    rules.back().args = {{1, value << 32 | value, 0, "SCMP_CMP_EQ"}};
  }
  expect_refused(Errc::Limit, "instructions, more than 4096", profile_of("SCMP_ACT_ALLOW", rules));
}

TEST(SeccompFilterTest, ComparisonsThatBelongTogetherAreBounded) {
  std::vector<SeccompProfile::Rule> rules;
  for (std::uint64_t value = 0; value < kMaxSeccompChained / 2; ++value) {
    rules.push_back(rule({"lseek"}, "SCMP_ACT_ERRNO"));
    rules.back().args = {{0, value, 0, "SCMP_CMP_EQ"}, {1, value, 0, "SCMP_CMP_EQ"}};
  }
  EXPECT_NO_THROW(compile(profile_of("SCMP_ACT_ALLOW", rules)));
  rules.push_back(rules.back());
  expect_refused(Errc::Limit, "more than 512 comparisons in rules that have several",
                 profile_of("SCMP_ACT_ALLOW", rules));
}

/// All names would be looked up for each of them: a quarter of an hour.
TEST(SeccompFilterTest, AnArchitectureThatIsThereOftenIsLookedUpOnce) {
  SeccompProfile profile = getppid_gets("SCMP_ACT_ALLOW");
  profile.default_action = "SCMP_ACT_ERRNO";
  profile.syscalls.front().names.assign(3000, "getppid");
  profile.architectures = {"SCMP_ARCH_X86_64"};
  const auto once = compile_seccomp(profile, Context{});
  profile.architectures.assign(200'000, "SCMP_ARCH_X86_64");
  EXPECT_EQ(compile_seccomp(profile, Context{}).program.size(), once.program.size());
}

TEST(SeccompFilterTest, CompilingStopsWhenAsked) {
  const std::atomic<bool> interrupted = true;
  Context context;
  context.interrupted = &interrupted;
  expect_error(Errc::Interrupted, "",
               [&] { compile_seccomp(getppid_gets("SCMP_ACT_ERRNO"), context); });
}

#if defined(__x86_64__)

constexpr long kX32 = 0x40000000;
constexpr long kGetppidOf32Bit = 64;

int getppid_of_32_bit() {
  long result = kGetppidOf32Bit;
  __asm__ volatile("int $0x80" : "+a"(result) : : "memory");
  return result < 0 ? static_cast<int>(-result) : 0;
}

TEST(SeccompFilterTest, OtherAbisAreNoWayRoundTheFilter) {
  const SeccompProfile profile = getppid_gets("SCMP_ACT_ERRNO");
  const SeccompFilter filter = compile(profile);
  EXPECT_EQ(answer(filter, kGetppidOf32Bit, {}, AUDIT_ARCH_I386), kKilled);
  EXPECT_EQ(answer(filter, kX32 | SYS_getpid), kKilled);
  EXPECT_EQ(answer(filter, SYS_getpid, {}, AUDIT_ARCH_AARCH64), kKilled);
  EXPECT_EQ(run_filtered(filter, [] { return error_of(kX32 | SYS_getpid); }), kBadSystemCall);
  if (run_filtered(compile(profile_of("SCMP_ACT_ALLOW", {})), [] { return 0; }) != 0) FAIL();
  SeccompProfile with_32_bit = profile;
  with_32_bit.architectures = {"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"};
  if (run_filtered(compile(with_32_bit), getppid_of_32_bit) != EPERM)
    GTEST_SKIP() << "the kernel has no 32-bit system calls";
  EXPECT_EQ(run_filtered(filter, getppid_of_32_bit), kBadSystemCall);
}

TEST(SeccompFilterTest, ListedAbisAreFilteredByTheirOwnNumbers) {
  SeccompProfile profile = getppid_gets("SCMP_ACT_ERRNO");
  profile.architectures = {"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"};
  const SeccompFilter filter = compile(profile);
  EXPECT_EQ(answer(filter, SYS_getppid), fails_with(EPERM));
  EXPECT_EQ(answer(filter, kX32 | SYS_getppid), fails_with(EPERM));
  EXPECT_EQ(answer(filter, kGetppidOf32Bit, {}, AUDIT_ARCH_I386), fails_with(EPERM));
  EXPECT_EQ(answer(filter, kGetppidOf32Bit), kAllowed);
  EXPECT_EQ(answer(filter, SYS_getppid, {}, AUDIT_ARCH_I386), kAllowed);
  EXPECT_EQ(answer(filter, kX32 | SYS_getpid), kAllowed);
}

/// The native architecture is part of every filter, listed or not.
TEST(SeccompFilterTest, OnlyForeignAbisListed) {
  SeccompProfile profile = getppid_gets("SCMP_ACT_ERRNO");
  profile.architectures = {"SCMP_ARCH_X86"};
  const SeccompFilter filter = compile(profile);
  EXPECT_EQ(answer(filter, SYS_getppid), fails_with(EPERM));
  EXPECT_EQ(answer(filter, kGetppidOf32Bit, {}, AUDIT_ARCH_I386), fails_with(EPERM));
  EXPECT_EQ(answer(filter, kX32 | SYS_getpid), kKilled);
}

TEST(SeccompFilterTest, CallsNewerThanTheProfileDoNotExist) {
  SeccompProfile profile =
      profile_of("SCMP_ACT_ERRNO", {rule({"getppid", "exit_group"}, "SCMP_ACT_ALLOW"),
                                    rule({"statx", "pivot_root"}, "SCMP_ACT_KILL")});
  profile.architectures = {"SCMP_ARCH_X86", "SCMP_ARCH_X32"};
  const SeccompFilter filter = compile(profile);
  EXPECT_EQ(answer(filter, SYS_statx), kKilled);
  EXPECT_EQ(answer(filter, SYS_statx - 1), fails_with(EPERM));
  EXPECT_EQ(answer(filter, SYS_statx + 1), fails_with(ENOSYS));
  EXPECT_EQ(answer(filter, SYS_clone3), fails_with(ENOSYS));
  EXPECT_EQ(answer(filter, kX32 | (SYS_statx - 1)), fails_with(EPERM));
  EXPECT_EQ(answer(filter, kX32 | (SYS_statx + 1)), fails_with(ENOSYS));
  constexpr long kStatxOf32Bit = 383;
  EXPECT_EQ(answer(filter, kStatxOf32Bit, {}, AUDIT_ARCH_I386), kKilled);
  EXPECT_EQ(answer(filter, kStatxOf32Bit - 1, {}, AUDIT_ARCH_I386), fails_with(EPERM));
  EXPECT_EQ(answer(filter, kStatxOf32Bit + 1, {}, AUDIT_ARCH_I386), fails_with(ENOSYS));
  EXPECT_EQ(answer(filter, kStatxOf32Bit, {}, AUDIT_ARCH_AARCH64), kKilled);
  EXPECT_EQ(run_filtered(filter, [] { return error_of(SYS_clone3, 0, 0); }), ENOSYS);
}

#endif

TEST(SeccompFilterTest, NewerCallsAreAnsweredByOtherDefaultsThemselves) {
  const auto clone3 = [](std::string default_action, std::optional<std::uint32_t> errno_ret = {}) {
    SeccompProfile profile =
        profile_of(std::move(default_action), {rule({"getppid"}, "SCMP_ACT_TRAP")});
    profile.default_errno_ret = errno_ret;
    return answer(compile(profile), SYS_clone3);
  };
  EXPECT_EQ(clone3("SCMP_ACT_ERRNO", EXDEV), fails_with(ENOSYS));
  EXPECT_EQ(clone3("SCMP_ACT_ERRNO", ENOSYS), fails_with(ENOSYS));
  EXPECT_EQ(clone3("SCMP_ACT_ALLOW"), kAllowed);
  EXPECT_EQ(clone3("SCMP_ACT_LOG"), SECCOMP_RET_LOG);
  EXPECT_EQ(clone3("SCMP_ACT_KILL_PROCESS"), SECCOMP_RET_KILL_PROCESS);
  // Without a name there is no newest one.
  EXPECT_EQ(answer(compile(profile_of("SCMP_ACT_ERRNO", {})), SYS_clone3), fails_with(EPERM));
}

}  // namespace
}  // namespace layerkit::runner
