#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "failure.h"
#include "hook_run.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/rel_path.h"
#include "layerkit/base/text.h"
#include "runtime_parts.h"

namespace layerkit::runner {

std::string cgroup_path_of(const std::string& cgroups_path, const std::string& id) {
  if (cgroups_path.empty()) return id;
  const std::string path = with_context([] { return "placing the container's cgroup"; },
                                        [&] { return RelPath::parse(cgroups_path).str(); });
  if (path.empty() || path == ".")
    fail(Errc::Invalid, "reading cgroup path {}: it is the root", quoted(cgroups_path));
  return path;
}

bool has_annotation(const ContainerSpec& spec, const std::string& name) {
  const auto found = spec.annotations.find(name);
  return found != spec.annotations.end() && found->second == "1";
}

bool keeps_groups(const ContainerSpec& spec) {
  return has_annotation(spec, "run.oci.keep_original_groups");
}

std::unique_ptr<Cgroup> cgroup_of(const ContainerRecord& record) {
  // Others may have cgroups of that name elsewhere.
  if (record.cgroups.empty()) return nullptr;
  return find_cgroup(read_cgroup_layout(), record.cgroups_path, &record.cgroups);
}

void drop_labels_without_effect(ContainerSpec& spec, const Context& context) {
  const auto drop = [&](std::string& label, const char* module) {
    if (label.empty()) return;
    context.warn(
        fmt::format("label {} has no effect: this system has no {}", quoted(label), module));
    label.clear();
  };
  if (!has_apparmor()) drop(spec.process.apparmor_profile, "AppArmor");
  if (stat_at(AT_FDCWD, "/sys/fs/selinux/enforce")) return;
  drop(spec.process.selinux_label, "SELinux");
  drop(spec.mount_label, "SELinux");
}

ContainerState full_state_of(const StateDirectory& directory, const ContainerRecord& record) {
  ContainerState state = state_of(record);
  if (state.status != ContainerStatus::Running) return state;
  if (directory.is_gate_shut()) {
    state.status = ContainerStatus::Created;
    return state;
  }
  const std::unique_ptr<Cgroup> cgroup = cgroup_of(record);
  if (cgroup != nullptr && cgroup->frozen()) state.status = ContainerStatus::Paused;
  return state;
}

OciConfig config_of(const StateDirectory& directory) {
  return read_oci_config(directory.config(), Context{});
}

ContainerInit open_init(const ContainerRecord& record) {
  ContainerInit init;
  init.pid = record.pid;
  init.pidfd = Fd(static_cast<int>(::syscall(SYS_pidfd_open, record.pid, 0)));
  // The number may belong to somebody else by now.
  if (!init.pidfd || start_time_of(record.pid) != record.start_time)
    fail(Errc::NotFound, "container {} is not running", quoted(record.id));
  return init;
}

void run_poststop_hooks(const std::vector<Hook>& hooks,
                        std::string_view state,
                        const Context& context) {
  for (std::size_t i = 0; i < hooks.size(); ++i) {
    const HookEnd end = hook_end_of(hooks[i], state);
    if (end.how == HookEnd::How::Succeeded) continue;
    const Error error = describe_hook("poststop", i, hooks[i].path, end, {});
    if (end.how != HookEnd::How::Exited) {
      context.warn(error.message());
      continue;
    }
    context.warn(fmt::format("poststop hook failed with exit code {}: {}", end.value,
                             quoted(hooks[i].path)));
  }
}

}  // namespace layerkit::runner
