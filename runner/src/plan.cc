#include "plan.h"

#include <fcntl.h>
#include <sys/mount.h>

#include <algorithm>
#include <cerrno>
#include <sstream>

#include "capabilities.h"
#include "exec_stub_image.h"
#include "layerkit/base/byte_stream.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/rel_path.h"
#include "layerkit/base/text.h"
#include "spec_check.h"
#include "trees.h"

namespace layerkit::runner {
namespace {

constexpr std::string_view kDefaultPath =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// 0, 1 and 2 become the container's streams, so nothing else may live there.
Fd above_standard(Fd fd) {
  if (fd.get() > 2) return fd;
  Fd moved(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 3));
  if (!moved) fail_errno(errno, "duplicating a descriptor");
  return moved;
}

/// The path relative to the rootfs as the kernel shall resolve it: ".." stays, symlinks may matter.
std::string relative_path(const std::string& path) {
  const std::size_t start = path.find_first_not_of('/');
  return start == std::string::npos ? "." : path.substr(start);
}

std::vector<std::string> find_candidates(const ProcessSpec& process) {
  const std::string& program = process.args.front();
  if (program.find('/') != std::string::npos) return {program};
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

/// user_namespaces(7): lines of first id inside, first id outside, count.
bool caller_maps_group(std::uint32_t gid) {
  const Fd file = open_at(AT_FDCWD, "/proc/self/gid_map", O_RDONLY);
  FdSource source(file.get(), "/proc/self/gid_map");
  std::istringstream text(read_all(source, 1U << 16U, "/proc/self/gid_map"));
  std::uint64_t inside = 0;
  std::uint64_t outside = 0;
  std::uint64_t count = 0;
  while (text >> inside >> outside >> count) {
    if (gid >= inside && gid - inside < count) return true;
  }
  return false;
}

CapabilitySet checked_capabilities(const std::vector<std::string>& names) {
  const CapabilitySet wanted = parse_capabilities(names);
  const CapabilitySet missing = wanted & ~bounding_set();
  for (unsigned number = 0; number < 64; ++number) {
    if ((missing >> number & 1U) == 0) continue;
    fail(Errc::Unsupported, "granting capability {}: this process does not have it itself",
         quoted(capability_name(number)));
  }
  return wanted;
}

}  // namespace

Plan::Plan(ContainerSpec spec, Fd rootfs, Fd report, const Cgroup& cgroup)
    : spec_(std::move(spec)),
      rootfs_(above_standard(std::move(rootfs))),
      report_(above_standard(std::move(report))),
      allows_devices_(cgroup.filters_devices() && !spec_.namespaces.user.is_new()) {
  prepare_rootfs(rootfs_.get(), allows_devices_ ? 0 : MOUNT_ATTR_NODEV);
  flat_.rootfs = rootfs_.get();
  flat_.report = report_.get();
  keep_.push_back(flat_.rootfs);
  keep_.push_back(flat_.report);
  plan_standard_streams();
  plan_namespaces(cgroup);
  plan_mounts(cgroup);
  plan_paths();
  plan_sysctls();
  plan_process();
  plan_exec();
  std::sort(keep_.begin(), keep_.end());
  flat_.keep = keep_;
}

const char* Plan::keep_text(std::string text) {
  return texts_.emplace_back(std::move(text)).c_str();
}

int Plan::keep_fd(Fd fd) {
  fds_.push_back(above_standard(std::move(fd)));
  keep_.push_back(fds_.back().get());
  return fds_.back().get();
}

void Plan::plan_standard_streams() {
  Fd* const streams[] = {&spec_.standard_input, &spec_.standard_output, &spec_.standard_error};
  for (std::size_t i = 0; i < 3; ++i) {
    Fd stream = *streams[i] ? std::move(*streams[i]) : open_at(AT_FDCWD, "/dev/null", O_RDWR);
    flat_.standard[i] = keep_fd(std::move(stream));
  }
}

void Plan::plan_namespaces(const Cgroup& cgroup) {
  const Namespaces& namespaces = spec_.namespaces;
  flat_.waits_for_mappings = namespaces.user.is_new();
  flat_.has_mapped_root = std::any_of(spec_.uid_mappings.begin(), spec_.uid_mappings.end(),
                                      [](const IdMapping& mapping) {
                                        return mapping.container_id == 0 && mapping.size > 0;
                                      }) &&
                          maps_group(0);
  flat_.unshares_cgroup = namespaces.cgroup.is_new();
  flat_.raises_loopback = namespaces.network.is_new();
  for (const int file : cgroup.join_files()) {
    Fd copy(::fcntl(file, F_DUPFD_CLOEXEC, 3));
    if (!copy) fail_errno(errno, "duplicating a descriptor");
    join_.push_back(keep_fd(std::move(copy)));
  }
  flat_.join = join_;
  if (!spec_.hostname.empty()) {
    flat_.hostname = spec_.hostname.c_str();
    flat_.hostname_size = spec_.hostname.size();
  }
  if (!spec_.domainname.empty()) {
    flat_.domainname = spec_.domainname.c_str();
    flat_.domainname_size = spec_.domainname.size();
  }
  if (spec_.process.oom_score_adj) {
    flat_.oom_score = keep_text(std::to_string(*spec_.process.oom_score_adj));
  }
}

bool Plan::maps_group(std::uint32_t gid) const {
  if (!spec_.namespaces.user.is_new()) return caller_maps_group(gid);
  return std::any_of(
      spec_.gid_mappings.begin(), spec_.gid_mappings.end(), [&](const IdMapping& mapping) {
        return gid >= mapping.container_id && gid - mapping.container_id < mapping.size;
      });
}

void Plan::plan_paths() {
  for (const std::string& path : spec_.masked_paths) {
    masked_paths_.push_back(keep_text(relative_path(path)));
  }
  for (const std::string& path : spec_.read_only_paths) {
    read_only_paths_.push_back(keep_text(relative_path(path)));
  }
  flat_.masked_paths = masked_paths_;
  flat_.read_only_paths = read_only_paths_;
  flat_.read_only_rootfs = spec_.read_only_rootfs;
  flat_.rootfs_propagation = spec_.rootfs_propagation;
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
  groups_.assign(process.additional_gids.begin(), process.additional_gids.end());
  flat_.rlimits = rlimits_;
  flat_.groups = groups_;
  flat_.uid = process.uid;
  flat_.gid = process.gid;
  flat_.bounding = checked_capabilities(process.capabilities.bounding);
  flat_.effective = checked_capabilities(process.capabilities.effective);
  flat_.permitted = checked_capabilities(process.capabilities.permitted);
  flat_.inheritable = checked_capabilities(process.capabilities.inheritable);
  flat_.ambient = checked_capabilities(process.capabilities.ambient);
  flat_.no_new_privileges = process.no_new_privileges;
  if (process.umask) flat_.umask = *process.umask;
  if (process.io_priority) flat_.io_priority = &*spec_.process.io_priority;
  if (spec_.personality) flat_.personality = &*spec_.personality;
  if (const auto& wanted = process.scheduler) {
    scheduler_ = {sizeof(PlannedScheduler), wanted->policy,  wanted->flags,    wanted->nice,
                  wanted->priority,         wanted->runtime, wanted->deadline, wanted->period};
    flat_.scheduler = &*scheduler_;
  }
}

void Plan::plan_exec() {
  candidates_ = find_candidates(spec_.process);
  if (candidates_.empty()) {
    fail(Errc::NotFound, "executing {}: PATH has no absolute directory",
         quoted(spec_.process.args.front()));
  }
  flat_.stub = keep_fd(open_exec_stub());
  stub_argv_ = {"layerkit-exec", keep_text(std::to_string(flat_.report)),
                keep_text(std::to_string(candidates_.size()))};
  for (const std::string& candidate : candidates_)
    stub_argv_.push_back(candidate.c_str());
  for (const std::string& argument : spec_.process.args)
    stub_argv_.push_back(argument.c_str());
  stub_argv_.push_back(nullptr);
  for (const std::string& variable : spec_.process.env)
    envp_.push_back(variable.c_str());
  envp_.push_back(nullptr);
  flat_.stub_argv = stub_argv_.data();
  flat_.envp = envp_.data();
}

}  // namespace layerkit::runner
