#include "oci_fuzz_meaning.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <vector>

#include "oci_fuzz_require.h"

namespace layerkit::testing {
namespace {

using nlohmann::json;

/// Writes values down, each with an end.
class Description {
 public:
  const std::string& text() const noexcept { return text_; }

  template <typename... Values>
  void add(const Values&... values) {
    (append(values), ...);
    text_ += '\n';
  }

 private:
  template <typename Value>
  void append(const Value& value) {
    if constexpr (requires { value.has_value(); }) {
      text_ += value ? "+" : "-";
      if (value) append(*value);
    } else if constexpr (std::is_convertible_v<Value, std::string>) {
      text_ += fmt::format("{}:{};", value.size(), value);
    } else if constexpr (requires { value.begin(); }) {
      text_ += fmt::format("{}[", value.size());
      for (const auto& each : value)
        append(each);
    } else if constexpr (requires { value.first; }) {
      append(value.first);
      append(value.second);
    } else if constexpr (std::is_same_v<Value, IdMapping>) {
      text_ += fmt::format("{} {} {};", value.container_id, value.host_id, value.size);
    } else if constexpr (std::is_same_v<Value, TimeOffset>) {
      text_ += fmt::format("{} {};", value.secs, value.nanosecs);
    } else if constexpr (std::is_enum_v<Value>) {
      text_ += fmt::format("{};", static_cast<int>(value));
    } else {
      text_ += fmt::format("{};", value);
    }
  }

  std::string text_;
};

void describe(const Resources& resources, Description& all) {
  const Resources::Memory& memory = resources.memory;
  all.add(memory.limit, memory.reservation, memory.swap, memory.kernel_tcp, memory.swappiness,
          memory.disable_oom_killer, memory.check_before_update);
  const Resources::Cpu& cpu = resources.cpu;
  all.add(cpu.shares, cpu.quota, cpu.burst, cpu.period, cpu.realtime_runtime, cpu.realtime_period,
          cpu.cpus, cpu.mems, cpu.idle);
  const Resources::BlockIo& io = resources.block_io;
  all.add(resources.pids_limit, io.weight, io.leaf_weight);
  for (const auto& each : io.weight_devices)
    all.add(each.major, each.minor, each.weight, each.leaf_weight);
  for (const auto* list : {&io.read_bps, &io.write_bps, &io.read_iops, &io.write_iops}) {
    all.add(list->size());
    for (const auto& each : *list)
      all.add(each.major, each.minor, each.rate);
  }
  for (const auto& each : resources.hugepages)
    all.add(each.page_size, each.limit);
  all.add(resources.network.class_id, resources.unified);
  for (const auto& each : resources.network.priorities)
    all.add(each.name, each.priority);
  for (const auto& [device, limits] : resources.rdma)
    all.add(device, limits.handles, limits.objects);
  for (const auto& each : resources.devices)
    all.add(each.allow, each.type, each.major, each.minor, each.access);
}

void describe(const SeccompProfile& profile, Description& all) {
  all.add(profile.default_action, profile.default_errno_ret, profile.architectures, profile.flags,
          profile.listener_path, profile.listener_metadata);
  for (const auto& rule : profile.syscalls) {
    all.add(rule.names, rule.action, rule.errno_ret);
    for (const auto& each : rule.args)
      all.add(each.index, each.value, each.value_two, each.op);
  }
}

void describe(const Hooks& hooks, Description& all) {
  for (const auto* list : {&hooks.prestart, &hooks.create_runtime, &hooks.create_container,
                           &hooks.start_container, &hooks.poststart, &hooks.poststop}) {
    all.add(list->size());
    for (const Hook& hook : *list)
      all.add(hook.path, hook.args, hook.env, hook.timeout);
  }
}

void describe(const ProcessSpec& process, Description& all) {
  all.add(process.args, process.env, process.cwd, process.uid, process.gid, process.additional_gids,
          process.umask, process.no_new_privileges);
  const Capabilities& sets = process.capabilities;
  all.add(sets.bounding, sets.effective, sets.permitted, sets.inheritable, sets.ambient);
  for (const Rlimit& limit : process.rlimits)
    all.add(limit.resource, limit.soft, limit.hard);
  all.add(process.oom_score_adj, process.io_priority, process.initial_cpu_affinity,
          process.final_cpu_affinity, process.apparmor_profile, process.selinux_label,
          process.terminal);
  if (const auto& wanted = process.scheduler)
    all.add(wanted->policy, wanted->nice, wanted->priority, wanted->flags, wanted->runtime,
            wanted->deadline, wanted->period);
  if (process.console_size) all.add(process.console_size->height, process.console_size->width);
}

std::size_t size_of(const json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() ? 0 : found->size();
}

std::string text_of(const json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? std::string() : found->get<std::string>();
}

std::vector<std::string> texts_of(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return {};
  return found->get<std::vector<std::string>>();
}

json part_of(const json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? json::object() : *found;
}

std::uint64_t number_of(const json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? 0 : found->get<std::uint64_t>();
}

void require_namespaces(const Namespaces& namespaces, const json& list) {
  std::size_t wanted = 0;
  for (const Namespace* each :
       {&namespaces.mount, &namespaces.pid, &namespaces.uts, &namespaces.ipc, &namespaces.network,
        &namespaces.cgroup, &namespaces.user, &namespaces.time}) {
    if (each->from != Namespace::From::Caller) ++wanted;
    require(each->is_joined() == each->path.starts_with('/') &&
                (each->is_joined() || each->path.empty()),
            "a namespace has a path and is not joined, or joined without one");
  }
  require(wanted == list.size(), "a namespace was lost");
}

}  // namespace

std::string description_of(const ProcessSpec& process) {
  Description all;
  describe(process, all);
  return all.text();
}

std::string description_of(const ContainerSpec& spec) {
  Description all;
  all.add(spec.hostname, spec.domainname, spec.uid_mappings, spec.gid_mappings,
          spec.monotonic_offset, spec.boottime_offset, spec.masked_paths, spec.read_only_paths,
          spec.read_only_rootfs, spec.rootfs_propagation, spec.sysctls, spec.personality,
          spec.mount_label, spec.annotations, spec.cgroups_path);
  describe(spec.process, all);
  const Namespaces& namespaces = spec.namespaces;
  for (const Namespace* each :
       {&namespaces.mount, &namespaces.pid, &namespaces.uts, &namespaces.ipc, &namespaces.network,
        &namespaces.cgroup, &namespaces.user, &namespaces.time})
    all.add(each->from, each->path);
  for (const ContainerMount& mount : spec.mounts) {
    all.add(mount.type, mount.target, mount.source, mount.recursive, mount.attributes.set,
            mount.attributes.clear, mount.recursive_attributes.set,
            mount.recursive_attributes.clear, mount.propagation, mount.data, mount.copies_up,
            mount.follows_target, mount.follows_source, mount.copies_symlink, mount.uid_mappings,
            mount.gid_mappings, mount.maps_recursively, mount.is_id_mapped);
  }
  for (const ContainerDevice& device : spec.devices)
    all.add(device.path, device.type, device.major, device.minor, device.mode, device.uid,
            device.gid);
  describe(spec.resources, all);
  if (spec.seccomp) describe(*spec.seccomp, all);
  if (spec.memory_policy) all.add(spec.memory_policy->mode, spec.memory_policy->nodes);
  describe(spec.hooks, all);
  return all.text();
}

void require_meaning(const ProcessSpec& process, const json& document) {
  require(description_of(process).find('\0') == std::string::npos, "a NUL came through");
  require(!process.args.empty() && process.args == texts_of(document, "args"),
          "the arguments are not those of the document");
  require(process.env == texts_of(document, "env"), "the variables are not the document's");
  require(process.cwd == text_of(document, "cwd") && process.cwd.starts_with('/'),
          "the working directory is not the document's");
  const json user = part_of(document, "user");
  require(process.uid == number_of(user, "uid") && process.gid == number_of(user, "gid") &&
              process.additional_gids.size() == size_of(user, "additionalGids") &&
              process.umask.value_or(0) == number_of(user, "umask"),
          "the user is not the document's");
  require(process.rlimits.size() == size_of(document, "rlimits"), "a limit was lost");
  require(
      process.scheduler.has_value() == (text_of(part_of(document, "scheduler"), "policy") != ""),
      "the scheduler was lost");
  require(process.apparmor_profile == text_of(document, "apparmorProfile") &&
              process.selinux_label == text_of(document, "selinuxLabel"),
          "a label was lost");
}

void require_meaning(const OciConfig& config, std::string_view text) {
  const json document = json::parse(text);
  const ContainerSpec& spec = config.spec;
  require(description_of(spec).find('\0') == std::string::npos &&
              config.root_path.find('\0') == std::string::npos,
          "a NUL came through");
  if (const json process = part_of(document, "process"); !process.empty()) {
    require_meaning(spec.process, process);
  } else {
    require(spec.process.args.empty(), "a process came from nowhere");
  }
  require(config.root_path == text_of(document["root"], "path") && !config.root_path.empty(),
          "the root is not the document's");
  require(spec.hostname == text_of(document, "hostname") &&
              spec.domainname == text_of(document, "domainname"),
          "a name is not the document's");
  require(spec.mounts.size() == size_of(document, "mounts"), "a mount was lost");
  require(spec.annotations.size() == size_of(document, "annotations"), "an annotation was lost");
  const json& linux_part = document["linux"];
  require_namespaces(spec.namespaces, part_of(linux_part, "namespaces"));
  require(spec.devices.size() == size_of(linux_part, "devices") &&
              spec.uid_mappings.size() == size_of(linux_part, "uidMappings") &&
              spec.gid_mappings.size() == size_of(linux_part, "gidMappings") &&
              spec.sysctls.size() == size_of(linux_part, "sysctl"),
          "a device, mapping or sysctl was lost");
  require(spec.masked_paths == texts_of(linux_part, "maskedPaths") &&
              spec.read_only_paths == texts_of(linux_part, "readonlyPaths"),
          "a path is not the document's");
  require(spec.cgroups_path == text_of(linux_part, "cgroupsPath") &&
              spec.mount_label == text_of(linux_part, "mountLabel"),
          "a text is not the document's");
  const json seccomp = part_of(linux_part, "seccomp");
  require(spec.seccomp.has_value() == !seccomp.empty(), "the seccomp profile was lost");
  if (spec.seccomp)
    require(spec.seccomp->syscalls.size() == size_of(seccomp, "syscalls"), "a rule was lost");
}

}  // namespace layerkit::testing
