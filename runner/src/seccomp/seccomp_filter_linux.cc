#include <linux/seccomp.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <bitset>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#include "layerkit/base/error.h"
#include "layerkit/base/fd.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"
#include "seccomp_filter.h"
#include "seccomp_newer_calls.h"
#include "seccomp_ranges.h"
#include "seccomp_words.h"

namespace layerkit::runner {
namespace {

constexpr unsigned kArguments = 6;

struct Release {
  void operator()(void* context) const noexcept { seccomp_release(context); }
};
using LibContext = std::unique_ptr<std::remove_pointer_t<scmp_filter_ctx>, Release>;

/// libseccomp's functions return a negated errno.
template <typename... Args>
void check(int result, fmt::format_string<Args...> doing, Args&&... args) {
  if (result >= 0) return;
  if (result == -ENOMEM) throw std::bad_alloc();
  const Errc code = result == -EOPNOTSUPP || result == -EDOM ? Errc::Unsupported : Errc::Invalid;
  throw Error(code, -result,
              fmt::format(doing, std::forward<Args>(args)...) + ": " + errno_text(-result));
}

std::vector<scmp_arg_cmp> conditions_of(const SeccompProfile::Rule& rule) {
  std::vector<scmp_arg_cmp> conditions;
  for (const SeccompProfile::Argument& argument : rule.args) {
    if (argument.index >= kArguments)
      fail(Errc::Invalid, "reading the seccomp rule for {}: no argument {}",
           quoted(rule.names.empty() ? "" : rule.names.front()), argument.index);
    conditions.push_back(
        {argument.index, seccomp_comparison(argument.op), argument.value, argument.value_two});
  }
  return conditions;
}

bool has_argument_twice(const std::vector<scmp_arg_cmp>& conditions) {
  std::bitset<kArguments> seen;
  for (const scmp_arg_cmp& condition : conditions) {
    if (seen.test(condition.arg)) return true;
    seen.set(condition.arg);
  }
  return false;
}

void check_default_action(const SeccompProfile& profile) {
  if (profile.default_action == "SCMP_ACT_NOTIFY")
    fail(Errc::Invalid,
         "reading the seccomp profile: SCMP_ACT_NOTIFY cannot be the default action: the process "
         "could not hand over the descriptor of the listener");
}

void check_notified(const SeccompProfile::Rule& rule) {
  if (rule.action != "SCMP_ACT_NOTIFY") return;
  for (const std::string& name : rule.names) {
    if (name == "write")
      fail(Errc::Invalid,
           "reading the seccomp rule for 'write': SCMP_ACT_NOTIFY cannot be used for the write "
           "syscall: the "
           "process could not hand over the descriptor of the listener");
  }
}

/// Rules for libseccomp, one for each name and, where an argument is compared twice, comparison.
struct Rules {
  struct Rule {
    const std::string* name;
    int number;
    std::uint32_t action;
    std::vector<scmp_arg_cmp> conditions;
  };
  std::vector<Rule> all;
  std::size_t size = 0;     ///< with what was passed over, and comparisons
  std::size_t chained = 0;  ///< comparisons of rules that have several

  void count(std::size_t more) {
    size += more;
    if (size > kMaxSeccompRules)
      fail(Errc::Limit, "reading the seccomp profile: more than {} rules and comparisons",
           kMaxSeccompRules);
  }
  void add(Rule rule) {
    if (rule.conditions.size() > 1) chained += rule.conditions.size();
    if (chained > kMaxSeccompChained)
      fail(Errc::Limit,
           "reading the seccomp profile: more than {} comparisons in rules that have several",
           kMaxSeccompChained);
    all.push_back(std::move(rule));
  }
};

void add_rule(Rules& rules,
              const SeccompProfile::Rule& rule,
              std::uint32_t default_action,
              bool refuses_unknown) {
  check_notified(rule);
  const std::uint32_t action = seccomp_action(rule.action, rule.errno_ret);
  const std::vector<scmp_arg_cmp> conditions = conditions_of(rule);
  const bool is_each_alone = has_argument_twice(conditions);
  for (const std::string& name : rule.names) {
    rules.count(1 + conditions.size());
    // Another name than the one that is meant would end at a NUL.
    if (action == default_action || name.find('\0') != std::string::npos) continue;
    const int number = seccomp_syscall_resolve_name(name.c_str());
    if (number == __NR_SCMP_ERROR) {
      if (!refuses_unknown) continue;
      fail(Errc::Unsupported, "reading the seccomp profile: system call {} is not known",
           quoted(name));
    }
    if (!is_each_alone) {
      rules.add({&name, number, action, conditions});
      continue;
    }
    for (const scmp_arg_cmp& condition : conditions)
      rules.add({&name, number, action, {condition}});
  }
}

LibContext make_context(const SeccompProfile& profile, std::uint32_t default_action) {
  LibContext context(seccomp_init(default_action));
  if (!context)
    fail(Errc::Unsupported, "preparing a seccomp filter: libseccomp refuses the default action {}",
         quoted(profile.default_action));
  // Whether privileges are given up is said elsewhere, and nothing is loaded here.
  check(seccomp_attr_set(context.get(), SCMP_FLTATR_CTL_NNP, 0), "preparing a seccomp filter");
  for (const std::string& word : profile.architectures) {
    const int result = seccomp_arch_add(context.get(), seccomp_architecture(word));
    if (result != -EEXIST) check(result, "adding seccomp architecture {}", quoted(word));
  }
  return context;
}

std::vector<sock_filter> export_program(const LibContext& context) {
  const Fd file(::memfd_create("layerkit-seccomp", MFD_CLOEXEC));
  if (!file) fail_errno(errno, "exporting a seccomp filter");
  check(seccomp_export_bpf(context.get(), file.get()), "exporting a seccomp filter");
  const std::uint64_t size = stat_fd(file.get()).size;
  if (size == 0 || size % sizeof(sock_filter) != 0)
    fail(Errc::Io, "exporting a seccomp filter: {} bytes are no program", size);
  std::vector<sock_filter> program(size / sizeof(sock_filter));
  if (::pread(file.get(), program.data(), size, 0) != static_cast<ssize_t>(size))
    fail(Errc::Io, "exporting a seccomp filter: reading it back failed");
  return program;
}

}  // namespace

std::vector<sock_filter> whole_seccomp_program(const SeccompProfile& profile,
                                               const Context& context) {
  check_default_action(profile);
  const std::uint32_t default_action =
      seccomp_action(profile.default_action, profile.default_errno_ret);
  Rules rules;
  for (const SeccompProfile::Rule& rule : profile.syscalls)
    add_rule(rules, rule, default_action, profile.refuses_unknown_calls);

  const LibContext filter = make_context(profile, default_action);
  // A binary tree of system calls instead of a list. Without rules, libseccomp 2.5.4 builds a wrong
  // one; of few, none is needed.
  if (rules.all.size() > 32) seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2);
  for (const Rules::Rule& rule : rules.all) {
    context.check_interrupted();
    check(seccomp_rule_add_array(filter.get(), rule.action, rule.number,
                                 static_cast<unsigned>(rule.conditions.size()),
                                 rule.conditions.data()),
          "adding the seccomp rule for {}", quoted(*rule.name));
  }

  std::vector<sock_filter> program = refuse_newer_calls(profile);
  const std::vector<sock_filter> own = export_program(filter);
  program.insert(program.end(), own.begin(), own.end());
  return program;
}

std::vector<sock_filter> compile_seccomp_program(const SeccompProfile& profile,
                                                 const Context& context) {
  std::vector<sock_filter> program = merge_ranges(whole_seccomp_program(profile, context));
  if (program.size() > BPF_MAXINSNS)
    fail(Errc::Limit, "compiling the seccomp profile: {} instructions, more than {}",
         program.size(), BPF_MAXINSNS);
  return program;
}

SeccompFilter seccomp_filter_of(const SeccompProfile& profile, std::vector<sock_filter> program) {
  SeccompFilter filter;
  filter.program = std::move(program);
  for (const std::string& word : profile.flags)
    filter.flags |= seccomp_flag(word);
  for (const SeccompProfile::Rule& rule : profile.syscalls)
    if (rule.action == "SCMP_ACT_NOTIFY") filter.needs_listener = true;
  if (!profile.listener_path.empty()) filter.needs_listener = true;
  if (filter.needs_listener) {
    filter.flags |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
  } else if ((filter.flags & SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV) != 0) {
    fail(Errc::Invalid,
         "reading seccomp flag 'SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV': no rule has the action "
         "SCMP_ACT_NOTIFY");
  }
  return filter;
}

SeccompFilter compile_seccomp(const SeccompProfile& profile, const Context& context) {
  return seccomp_filter_of(profile, compile_seccomp_program(profile, context));
}

Fd program_file(const SeccompFilter& filter) {
  Fd file(::memfd_create("seccomp", MFD_CLOEXEC));
  if (!file) fail_errno(errno, "creating a file for the seccomp filter");
  write_all(file.get(),
            {reinterpret_cast<const char*>(filter.program.data()),
             filter.program.size() * sizeof(sock_filter)},
            "the seccomp filter");
  return file;
}

}  // namespace layerkit::runner
