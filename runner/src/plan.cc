#include "plan.h"

#include <fcntl.h>
#include <sys/mount.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <set>

#include "capabilities.h"
#include "exec_stub_image.h"
#include "layerkit/base/byte_stream.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/rel_path.h"
#include "layerkit/base/text.h"
#include "mount_table.h"
#include "process.h"
#include "spec_check.h"
#include "trees.h"

namespace layerkit::runner {
namespace {

constexpr std::string_view kDefaultPath =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The path relative to the rootfs as the kernel shall resolve it: ".." stays, symlinks may matter.
std::string relative_path(const std::string& path) {
  const std::size_t start = path.find_first_not_of('/');
  return start == std::string::npos ? "." : path.substr(start);
}

std::vector<std::string> find_candidates(const ProcessSpec& process) {
  const std::string& program = process.args.front();
  if (program.find('/') != std::string::npos) return {program};
  // No file has such a name; with each of as many directories it would be gigabytes.
  if (program.size() > NAME_MAX) fail_errno(ENAMETOOLONG, "executing {}", quoted(program));
  std::string_view path = kDefaultPath;
  for (const std::string& variable : process.env) {
    if (variable.starts_with("PATH=")) path = std::string_view(variable).substr(5);
  }
  std::vector<std::string> found;
  for (const std::string_view directory : split(path, ':')) {
    // A relative directory would depend on the working directory: never what an image means.
    if (directory.starts_with('/')) found.push_back(std::string(directory) + "/" + program);
  }
  return found;
}

bool maps_group_in(const std::string& map, std::uint32_t gid) {
  const std::vector<IdMapping> mappings = read_id_map(map);
  return std::any_of(mappings.begin(), mappings.end(), [&](const IdMapping& mapping) {
    return gid >= mapping.container_id && gid - mapping.container_id < mapping.size;
  });
}

/// Of several with one name the last one counts, whichever a program would look at.
void drop_overridden(std::vector<std::string>& env) {
  std::set<std::string_view> seen;
  std::vector<std::string> kept;
  for (auto variable = env.rbegin(); variable != env.rend(); ++variable) {
    if (seen.insert(std::string_view(*variable).substr(0, variable->find('='))).second)
      kept.push_back(*variable);
  }
  env.assign(kept.rbegin(), kept.rend());
}

CapabilitySet checked_capabilities(const std::vector<std::string>& names, CapabilitySet available) {
  const CapabilitySet wanted = parse_capabilities(names);
  const CapabilitySet missing = wanted & ~available;
  for (unsigned number = 0; number < 64; ++number) {
    if ((missing >> number & 1U) == 0) continue;
    fail(Errc::Unsupported, "granting capability {}: this process does not have it itself",
         quoted(capability_name(number)));
  }
  return wanted;
}

}  // namespace

Plan::Plan(ContainerSpec spec, Fd report, LaunchOptions options, SeccompFilter seccomp)
    : spec_(std::move(spec)),
      report_(out_of_the_way(std::move(report))),
      options_(std::move(options)),
      seccomp_(std::move(seccomp)) {
  flat_.report = report_.get();
  flat_.new_keyring = options_.new_keyring;
  flat_.owns_streams = options_.owns_streams;
  flat_.keeps_groups = options_.keeps_groups;
  keep_.push_back(flat_.report);
  plan_standard_streams();
  plan_process();
  plan_seccomp();
  plan_terminal();
  plan_exec();
}

Plan::Plan(ContainerSpec spec,
           Fd rootfs,
           Fd report,
           const Cgroup& cgroup,
           LaunchOptions options,
           SeccompFilter seccomp)
    : Plan(std::move(spec), std::move(report), std::move(options), std::move(seccomp)) {
  rootfs_ = out_of_the_way(std::move(rootfs));
  flat_.rootfs = rootfs_.get();
  keep_.push_back(flat_.rootfs);
  allows_devices_ = cgroup.filters_devices();
  makes_nodes_ = allows_devices_ && spec_.namespaces.user.from == Namespace::From::Caller;
  flat_.rootfs_attributes = allows_devices_ ? 0 : MOUNT_ATTR_NODEV;
  prepare_rootfs(rootfs_.get(), flat_.rootfs_attributes, spec_.rootfs_propagation);
  plan_names();
  plan_namespaces();
  plan_cgroup(cgroup);
  plan_mounts(cgroup);
  plan_paths();
  plan_sysctls();
  plan_hooks();
  finish();
}

Plan::Plan(ContainerSpec spec,
           const ContainerInit& init,
           Fd report,
           const Cgroup* cgroup,
           LaunchOptions options,
           SeccompFilter seccomp)
    : Plan(std::move(spec), std::move(report), std::move(options), std::move(seccomp)) {
  flat_.enters_container = true;
  plan_container_namespaces(init);
  if (cgroup != nullptr) plan_cgroup(*cgroup);
  flat_.cwd = keep_text(relative_path(spec_.process.cwd));
  plan_affinity();
  finish();
}

void Plan::finish() {
  std::sort(keep_.begin(), keep_.end());
  flat_.keep = keep_;
}

const char* Plan::keep_text(std::string text) {
  return texts_.emplace_back(std::move(text)).c_str();
}

std::span<const char* const> Plan::keep_pointers(const std::vector<std::string>& texts) {
  std::vector<const char*>& pointers = pointers_.emplace_back();
  for (const std::string& text : texts)
    pointers.push_back(text.c_str());
  pointers.push_back(nullptr);
  return pointers;
}

Fd Plan::out_of_the_way(Fd fd) const {
  const auto first = static_cast<int>(3 + spec_.preserved.size());
  if (fd.get() >= first) return fd;
  Fd moved(::fcntl(fd.get(), F_DUPFD_CLOEXEC, first));
  if (!moved) fail_errno(errno, "duplicating a descriptor");
  return moved;
}

int Plan::keep_fd(Fd fd) {
  fds_.push_back(out_of_the_way(std::move(fd)));
  keep_.push_back(fds_.back().get());
  return fds_.back().get();
}

void Plan::plan_standard_streams() {
  Fd* const streams[] = {&spec_.standard_input, &spec_.standard_output, &spec_.standard_error};
  for (std::size_t i = 0; i < 3; ++i) {
    Fd stream = *streams[i] ? std::move(*streams[i]) : open_at(AT_FDCWD, "/dev/null", O_RDWR);
    flat_.standard[i] = keep_fd(std::move(stream));
  }
  for (Fd& fd : spec_.preserved)
    preserved_.push_back(fd ? keep_fd(std::move(fd)) : -1);
  flat_.preserved = preserved_;
}

void Plan::plan_names() {
  if (!spec_.hostname.empty()) {
    flat_.hostname = spec_.hostname.c_str();
    flat_.hostname_size = spec_.hostname.size();
  }
  if (!spec_.domainname.empty()) {
    flat_.domainname = spec_.domainname.c_str();
    flat_.domainname_size = spec_.domainname.size();
  }
}

void Plan::plan_cgroup(const Cgroup& cgroup) {
  for (const int file : cgroup.join_files()) {
    Fd copy(::fcntl(file, F_DUPFD_CLOEXEC, 3));
    if (!copy) fail_errno(errno, "duplicating a descriptor");
    join_.push_back(keep_fd(std::move(copy)));
  }
  flat_.join = join_;
}

bool Plan::maps_group(std::uint32_t gid) const {
  switch (spec_.namespaces.user.from) {
    case Namespace::From::Caller:
      return maps_group_in("/proc/self/gid_map", gid);
    case Namespace::From::Path:
      return gid_map_.empty() || maps_group_in(gid_map_, gid);
    default:
      return std::any_of(
          spec_.gid_mappings.begin(), spec_.gid_mappings.end(), [&](const IdMapping& mapping) {
            return gid >= mapping.container_id && gid - mapping.container_id < mapping.size;
          });
  }
}

void Plan::plan_terminal() {
  flat_.has_terminal = spec_.process.terminal;
  const ConsoleSize size = spec_.process.console_size.value_or(ConsoleSize{});
  flat_.terminal_rows = size.height;
  flat_.terminal_columns = size.width;
}

void Plan::plan_hooks() {
  Hooks& all = spec_.hooks;
  for (Hook& hook : all.create_container) {
    PlannedHook planned;
    planned.path = hook.path.c_str();
    if (hook.args.empty()) hook.args.push_back(hook.path);
    planned.argv = keep_pointers(hook.args).data();
    planned.envp = hook.env ? keep_pointers(*hook.env).data() : environ;
    planned.timeout = hook_timeout(hook.timeout);
    hooks_.push_back(planned);
  }
  flat_.hooks = hooks_;
  flat_.asks_for_hooks = !hooks_.empty() || !all.prestart.empty() || !all.create_runtime.empty();
  if (hooks_.empty()) return;
  flat_.hook_state = keep_fd(options_.hook_state.duplicate());
  flat_.hook_output = keep_fd(options_.hook_output.duplicate());
}

/// Where nothing else is asked of it afterwards, the stub loads the filter, so that the profile
/// need not allow what leads up to the program; without no_new_privs that takes a capability which
/// is gone by then.
void Plan::plan_seccomp() {
  if (seccomp_.program.empty()) return;
  seccomp_program_.len = static_cast<unsigned short>(seccomp_.program.size());
  seccomp_program_.filter = seccomp_.program.data();
  flat_.seccomp_flags = seccomp_.flags;
  flat_.seccomp_has_listener = seccomp_.needs_listener;
  if (!spec_.process.no_new_privileges) flat_.seccomp = &seccomp_program_;
}

void Plan::plan_paths() {
  std::set<std::string> masked;
  for (const std::string& path : spec_.masked_paths) {
    std::string relative = relative_path(path);
    if (masked.insert(relative).second) masked_paths_.push_back(keep_text(std::move(relative)));
  }
  for (const std::string& path : spec_.read_only_paths) {
    read_only_paths_.push_back(keep_text(relative_path(path)));
  }
  flat_.masked_paths = masked_paths_;
  flat_.read_only_paths = read_only_paths_;
  flat_.read_only_rootfs = spec_.read_only_rootfs;
  // Private is what it is already; asked for recursively, it would undo what single mounts have.
  if ((spec_.rootfs_propagation & MS_PRIVATE) == 0)
    flat_.rootfs_propagation = spec_.rootfs_propagation;
  flat_.pivots = options_.pivots;
  if (!options_.pivots || root_may_be_initramfs()) {
    for (std::string& place : whole_kernel_mounts(read_proc("/proc/self/mountinfo")))
      kernel_mounts_.push_back(keep_text(std::move(place)));
  }
  flat_.kernel_mounts = kernel_mounts_;
  // Without a mount namespace the tree serves as it is, unless that is another's.
  const bool is_needed = flat_.owns_mounts || spec_.namespaces.mount.is_joined();
  if (is_needed && !options_.rootfs_place.empty())
    flat_.rootfs_place = options_.rootfs_place.c_str();
  flat_.cwd = keep_text(relative_path(spec_.process.cwd));
}

void Plan::plan_sysctls() {
  for (const auto& [name, value] : spec_.sysctls) {
    sysctl_names_.push_back(name);
    sysctls_.push_back(
        PlannedSysctl{keep_text("sys/" + sysctl_path(name)), value.c_str(), value.size()});
  }
  flat_.sysctls = sysctls_;
}

void Plan::plan_process() {
  const ProcessSpec& process = spec_.process;
  for (const Rlimit& limit : process.rlimits) {
    rlimits_.push_back(PlannedRlimit{limit.resource, {limit.soft, limit.hard}});
  }
  if (process.oom_score_adj) flat_.oom_score = keep_text(std::to_string(*process.oom_score_adj));
  groups_.assign(process.additional_gids.begin(), process.additional_gids.end());
  flat_.rlimits = rlimits_;
  flat_.groups = groups_;
  flat_.uid = process.uid;
  flat_.gid = process.gid;
  const CapabilitySet available = bounding_set();
  flat_.bounding = checked_capabilities(process.capabilities.bounding, available);
  flat_.effective = checked_capabilities(process.capabilities.effective, available);
  flat_.permitted = checked_capabilities(process.capabilities.permitted, available);
  flat_.inheritable = checked_capabilities(process.capabilities.inheritable, available);
  flat_.ambient = checked_capabilities(process.capabilities.ambient, available);
  flat_.no_new_privileges = process.no_new_privileges;
  if (process.umask) flat_.umask = *process.umask;
  if (process.io_priority) flat_.io_priority = &*spec_.process.io_priority;
  if (spec_.personality) flat_.personality = &*spec_.personality;
  plan_memory_policy();
  if (const auto& wanted = process.scheduler) {
    scheduler_ = {sizeof(PlannedScheduler),
                  wanted->policy,
                  wanted->flags,
                  wanted->nice,
                  wanted->priority,
                  wanted->runtime.value_or(0),
                  wanted->deadline,
                  wanted->period};
    flat_.scheduler = &*scheduler_;
  }
}

void Plan::plan_memory_policy() {
  if (!spec_.memory_policy) return;
  memory_nodes_ = NumberMask::parse(spec_.memory_policy->nodes, "memory nodes");
  memory_policy_ = PlannedMemoryPolicy{static_cast<int>(spec_.memory_policy->mode), nullptr, 0};
  if (!memory_nodes_.empty()) {
    memory_policy_->nodes = memory_nodes_.words();
    memory_policy_->bits = memory_nodes_.bytes() * 8 + 1;  // the kernel counts one less
  }
  flat_.memory_policy = &*memory_policy_;
}

void Plan::plan_affinity() {
  const ProcessSpec& process = spec_.process;
  initial_cpus_ = NumberMask::parse(process.initial_cpu_affinity, "CPU affinity");
  final_cpus_ = NumberMask::parse(process.final_cpu_affinity, "CPU affinity");
  flat_.initial_cpus = {initial_cpus_.words(), initial_cpus_.bytes()};
  flat_.final_cpus = {final_cpus_.words(), final_cpus_.bytes()};
}

void Plan::plan_exec() {
  if (!options_.program.empty()) {
    candidates_ = {options_.program};
  } else if (!options_.runs_nothing) {
    candidates_ = find_candidates(spec_.process);
  }
  if (candidates_.empty() && !options_.runs_nothing) {
    fail(Errc::NotFound, "executing {}: PATH has no absolute directory",
         quoted(spec_.process.args.front()));
  }
  flat_.stub = keep_fd(open_exec_stub());
  for_stub_ = {flat_.report};
  const auto for_stub = [&](Fd fd) {
    if (!fd) return keep_text("0");
    for_stub_.push_back(keep_fd(std::move(fd)));
    return keep_text(std::to_string(for_stub_.back()));
  };
  const bool loads_seccomp = seccomp_program_.len > 0 && flat_.seccomp == nullptr;
  const char* const gate = for_stub(options_.gate ? options_.gate.duplicate() : Fd());
  const char* const seccomp = for_stub(loads_seccomp ? program_file(seccomp_) : Fd());
  const std::string& profile = spec_.process.apparmor_profile;
  // A descriptor to be replaced by one that only the child can have.
  const char* const proc = for_stub(profile.empty() ? Fd() : open_at(AT_FDCWD, "/", O_PATH));
  if (!profile.empty()) flat_.proc = for_stub_.back();
  flat_.for_stub = for_stub_;
  stub_argv_ = {"layerkit-exec",
                keep_text(std::to_string(flat_.report)),
                gate,
                seccomp,
                keep_text(std::to_string(seccomp_.flags)),
                proc,
                keep_text(profile),
                keep_text(std::to_string(candidates_.size()))};
  for (const std::string& candidate : candidates_)
    stub_argv_.push_back(candidate.c_str());
  for (const std::string& argument : spec_.process.args)
    stub_argv_.push_back(argument.c_str());
  stub_argv_.push_back(nullptr);
  flat_.stub_argv = stub_argv_.data();
  drop_overridden(spec_.process.env);
  flat_.envp = keep_pointers(spec_.process.env).data();
}

}  // namespace layerkit::runner
