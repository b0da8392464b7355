#include <sched.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "object_reader.h"
#include "oci_parts.h"

namespace layerkit::runner {
namespace {

struct Word {
  std::string_view name;
  std::uint64_t value;
};

constexpr std::array<Word, 16> kRlimits = {{{"RLIMIT_CPU", RLIMIT_CPU},
                                            {"RLIMIT_FSIZE", RLIMIT_FSIZE},
                                            {"RLIMIT_DATA", RLIMIT_DATA},
                                            {"RLIMIT_STACK", RLIMIT_STACK},
                                            {"RLIMIT_CORE", RLIMIT_CORE},
                                            {"RLIMIT_RSS", RLIMIT_RSS},
                                            {"RLIMIT_NPROC", RLIMIT_NPROC},
                                            {"RLIMIT_NOFILE", RLIMIT_NOFILE},
                                            {"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK},
                                            {"RLIMIT_AS", RLIMIT_AS},
                                            {"RLIMIT_LOCKS", RLIMIT_LOCKS},
                                            {"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING},
                                            {"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE},
                                            {"RLIMIT_NICE", RLIMIT_NICE},
                                            {"RLIMIT_RTPRIO", RLIMIT_RTPRIO},
                                            {"RLIMIT_RTTIME", RLIMIT_RTTIME}}};

/// sched_setattr(2); <sched.h> lacks some.
constexpr std::array<Word, 7> kPolicies = {{{"SCHED_OTHER", SCHED_OTHER},
                                            {"SCHED_FIFO", SCHED_FIFO},
                                            {"SCHED_RR", SCHED_RR},
                                            {"SCHED_BATCH", SCHED_BATCH},
                                            {"SCHED_ISO", 4},
                                            {"SCHED_IDLE", SCHED_IDLE},
                                            {"SCHED_DEADLINE", 6}}};
constexpr std::array<Word, 7> kSchedulerFlags = {{{"SCHED_FLAG_RESET_ON_FORK", 0x01},
                                                  {"SCHED_FLAG_RECLAIM", 0x02},
                                                  {"SCHED_FLAG_DL_OVERRUN", 0x04},
                                                  {"SCHED_FLAG_KEEP_POLICY", 0x08},
                                                  {"SCHED_FLAG_KEEP_PARAMS", 0x10},
                                                  {"SCHED_FLAG_UTIL_CLAMP_MIN", 0x20},
                                                  {"SCHED_FLAG_UTIL_CLAMP_MAX", 0x40}}};

/// ioprio_set(2).
constexpr std::array<Word, 3> kIoClasses = {
    {{"IOPRIO_CLASS_RT", 1}, {"IOPRIO_CLASS_BE", 2}, {"IOPRIO_CLASS_IDLE", 3}}};
constexpr int kIoClassShift = 13;

template <std::size_t Size>
std::uint64_t value_of(const std::array<Word, Size>& words, const JsonView& text) {
  const auto* found = std::find_if(words.begin(), words.end(),
                                   [&](const Word& word) { return word.name == text.string(); });
  if (found == words.end()) text.refuse(quoted(text.string()) + ": not a word that is known here");
  return found->value;
}

void read_user(const JsonView& user, ProcessSpec& process, const Context& context) {
  ObjectReader reader(user, context);
  reader.number("uid", process.uid);
  reader.number("gid", process.gid);
  reader.number("umask", process.umask);
  reader.take("username");  // of other platforms
  if (const auto groups = reader.take("additionalGids")) {
    for (const JsonView& group : groups->items())
      process.additional_gids.push_back(ObjectReader::number_of<std::uint32_t>(group));
  }
  if (process.umask && *process.umask > 0777) reader.need("umask").refuse("is not a umask");
  reader.finish();
}

/// Each name once, as far as it can be granted. Lists may be as long as the document: nothing is
/// looked up in them.
Capabilities read_capabilities(const JsonView& object, const Context& context) {
  using Names = std::set<std::string, std::less<>>;
  const std::vector<std::string> granted = bounding_capabilities();
  const Names available(granted.begin(), granted.end());
  Names told;
  const auto take_known = [&](std::vector<std::string>& names) {
    Names seen;
    std::erase_if(names, [&](const std::string& name) {
      if (available.contains(name)) return !seen.insert(name).second;
      if (told.insert(name).second)
        context.warn("capability " + quoted(name) +
                     " is left out: unknown, or this process does not have it itself");
      return true;
    });
    return seen;
  };
  Capabilities capabilities;
  ObjectReader reader(object, context);
  reader.texts("bounding", capabilities.bounding);
  take_known(capabilities.bounding);
  reader.texts("effective", capabilities.effective);
  take_known(capabilities.effective);
  reader.texts("permitted", capabilities.permitted);
  const Names permitted = take_known(capabilities.permitted);
  reader.texts("inheritable", capabilities.inheritable);
  const Names inheritable = take_known(capabilities.inheritable);
  reader.texts("ambient", capabilities.ambient);
  take_known(capabilities.ambient);
  reader.finish();
  // capabilities(7): only what is permitted and inheritable can be ambient.
  std::erase_if(capabilities.ambient, [&](const std::string& name) {
    if (permitted.contains(name) && inheritable.contains(name)) return false;
    context.warn("can't raise ambient capability " + name +
                 ": it is not both permitted and inheritable");
    return true;
  });
  return capabilities;
}

std::vector<Rlimit> read_rlimits(const JsonView& list, const Context& context) {
  std::vector<Rlimit> limits;
  for (const JsonView& item : list.items()) {
    ObjectReader reader(item, context);
    Rlimit limit;
    const JsonView type = reader.need("type");
    limit.resource = static_cast<int>(value_of(kRlimits, type));
    limit.soft = reader.need("soft").wide_number();
    limit.hard = reader.need("hard").wide_number();
    reader.finish();
    for (const Rlimit& other : limits)
      if (other.resource == limit.resource) type.refuse("is there twice");
    if (limit.soft > limit.hard) item.refuse("has a soft limit above the hard one");
    limits.push_back(limit);
  }
  return limits;
}

Scheduler read_scheduler(const JsonView& object, const Context& context) {
  ObjectReader reader(object, context);
  Scheduler scheduler;
  scheduler.policy = static_cast<std::uint32_t>(value_of(kPolicies, reader.need("policy")));
  reader.number("nice", scheduler.nice);
  reader.number("priority", scheduler.priority);
  reader.number("runtime", scheduler.runtime);
  reader.number("deadline", scheduler.deadline);
  reader.number("period", scheduler.period);
  if (const auto flags = reader.take("flags")) {
    for (const JsonView& flag : flags->items())
      scheduler.flags |= value_of(kSchedulerFlags, flag);
  }
  reader.finish();
  return scheduler;
}

int read_io_priority(const JsonView& object, const Context& context) {
  ObjectReader reader(object, context);
  const auto io_class = static_cast<int>(value_of(kIoClasses, reader.need("class")));
  int level = 0;
  reader.number("priority", level);
  if (level < 0 || level > 7) reader.need("priority").refuse("is not in 0..7");
  reader.finish();
  return io_class << kIoClassShift | level;
}

ConsoleSize read_console_size(const JsonView& object, const Context& context) {
  ObjectReader reader(object, context);
  ConsoleSize size;
  reader.number("height", size.height);
  reader.number("width", size.width);
  reader.finish();
  return size;
}

void read_affinity(const JsonView& object, ProcessSpec& process, const Context& context) {
  ObjectReader reader(object, context);
  reader.text("initial", process.initial_cpu_affinity);
  reader.text("final", process.final_cpu_affinity);
  reader.finish();
}

}  // namespace

ProcessSpec read_process(const JsonView& object, const Context& context) {
  ObjectReader reader(object, context);
  ProcessSpec process;
  reader.flag("terminal", process.terminal);
  if (const auto size = reader.take("consoleSize"))
    process.console_size = read_console_size(*size, context);
  if (const auto user = reader.take("user")) read_user(*user, process, context);
  process.args = reader.need("args").strings();
  if (process.args.empty()) reader.need("args").refuse("is empty");
  reader.texts("env", process.env);
  process.cwd = reader.need("cwd").string();
  if (!process.cwd.starts_with('/')) reader.need("cwd").refuse("is not an absolute path");
  if (const auto capabilities = reader.take("capabilities"))
    process.capabilities = read_capabilities(*capabilities, context);
  if (const auto limits = reader.take("rlimits")) process.rlimits = read_rlimits(*limits, context);
  reader.flag("noNewPrivileges", process.no_new_privileges);
  reader.number("oomScoreAdj", process.oom_score_adj);
  if (const auto scheduler = reader.take("scheduler"))
    process.scheduler = read_scheduler(*scheduler, context);
  if (const auto priority = reader.take("ioPriority"))
    process.io_priority = read_io_priority(*priority, context);
  if (const auto affinity = reader.take("execCPUAffinity"))
    read_affinity(*affinity, process, context);
  reader.text("apparmorProfile", process.apparmor_profile);
  reader.text("selinuxLabel", process.selinux_label);
  reader.take("commandLine");  // of other platforms
  reader.finish();
  return process;
}

Hooks read_hooks(const JsonView& object, const Context& context) {
  Hooks hooks;
  ObjectReader reader(object, context);
  for (const auto& [key, list] : {std::pair{"prestart", &hooks.prestart},
                                  {"createRuntime", &hooks.create_runtime},
                                  {"createContainer", &hooks.create_container},
                                  {"startContainer", &hooks.start_container},
                                  {"poststart", &hooks.poststart},
                                  {"poststop", &hooks.poststop}}) {
    const auto items = reader.take(key);
    if (!items) continue;
    for (const JsonView& item : items->items()) {
      ObjectReader members(item, context);
      Hook hook;
      hook.path = members.need("path").string();
      if (!hook.path.starts_with('/')) members.need("path").refuse("is not an absolute path");
      members.texts("args", hook.args);
      if (const auto env = members.take("env")) hook.env = env->strings();
      members.number("timeout", hook.timeout);
      if (hook.timeout == 0U) members.need("timeout").refuse("is not above 0");
      members.finish();
      list->push_back(std::move(hook));
    }
  }
  reader.finish();
  return hooks;
}

}  // namespace layerkit::runner
