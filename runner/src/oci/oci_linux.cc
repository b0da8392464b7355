#include <sys/mount.h>
#include <sys/personality.h>

#include <array>

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "object_reader.h"
#include "oci_parts.h"

namespace layerkit::runner {
namespace {

Namespace* namespace_of(Namespaces& namespaces, std::string_view type) {
  if (type == "pid") return &namespaces.pid;
  if (type == "network") return &namespaces.network;
  if (type == "mount") return &namespaces.mount;
  if (type == "ipc") return &namespaces.ipc;
  if (type == "uts") return &namespaces.uts;
  if (type == "user") return &namespaces.user;
  if (type == "cgroup") return &namespaces.cgroup;
  if (type == "time") return &namespaces.time;
  return nullptr;
}

/// Kinds that are not listed stay the caller's.
Namespaces read_namespaces(const std::vector<JsonView>& list, const Context& context) {
  Namespaces namespaces;
  const Namespace none = {Namespace::From::Caller, {}};
  namespaces = {none, none, none, none, none, none, none, none};
  for (const JsonView& item : list) {
    ObjectReader reader(item, context);
    const JsonView type = reader.need("type");
    Namespace* const found = namespace_of(namespaces, type.string());
    if (found == nullptr) type.refuse(quoted(type.string()) + ": no such namespace");
    if (found->from != Namespace::From::Caller) type.refuse("is there twice");
    reader.text("path", found->path);
    found->from = found->path.empty() ? Namespace::From::New : Namespace::From::Path;
    if (!found->path.empty() && found->path.front() != '/')
      reader.need("path").refuse("is not an absolute path");
    reader.finish();
  }
  return namespaces;
}

ContainerDevice read_device(const JsonView& item, const Context& context) {
  ObjectReader reader(item, context);
  ContainerDevice device;
  device.path = reader.need("path").string();
  if (!device.path.starts_with('/')) reader.need("path").refuse("is not an absolute path");
  const JsonView type = reader.need("type");
  const std::string& word = type.string();
  if (word != "c" && word != "u" && word != "b" && word != "p")
    type.refuse(quoted(word) + ": no type of device");
  device.type = word == "u" ? 'c' : word.front();
  if (device.type != 'p') {
    device.major = ObjectReader::number_of<unsigned>(reader.need("major"));
    device.minor = ObjectReader::number_of<unsigned>(reader.need("minor"));
  } else {
    reader.take("major");
    reader.take("minor");
  }
  reader.number("fileMode", device.mode);
  device.mode &= 07777;
  reader.number("uid", device.uid);
  reader.number("gid", device.gid);
  reader.finish();
  return device;
}

unsigned long read_personality(const JsonView& object, const Context& context) {
  ObjectReader reader(object, context);
  const JsonView domain = reader.need("domain");
  unsigned long value = 0;
  if (domain.string() == "LINUX32") {
    value = PER_LINUX32;
  } else if (domain.string() != "LINUX") {
    domain.refuse(quoted(domain.string()) + ": neither LINUX nor LINUX32");
  }
  if (const auto flags = reader.take("flags"); flags && !flags->items().empty())
    flags->refuse("has flags, of which the specification knows none");
  reader.finish();
  return value;
}

TimeOffset read_offset(const JsonView& object, const Context& context) {
  ObjectReader reader(object, context);
  TimeOffset offset;
  reader.number("secs", offset.secs);
  reader.number("nanosecs", offset.nanosecs);
  if (offset.nanosecs >= 1'000'000'000) reader.need("nanosecs").refuse("is a second or more");
  reader.finish();
  return offset;
}

void read_offsets(const JsonView& object, ContainerSpec& spec, const Context& context) {
  for (const auto& [clock, offset] : object.members()) {
    if (clock == "monotonic") {
      spec.monotonic_offset = read_offset(offset, context);
    } else if (clock == "boottime") {
      spec.boottime_offset = read_offset(offset, context);
    } else {
      offset.refuse("is of a clock that has no offset");
    }
  }
}

void read_paths(ObjectReader& reader, std::string_view key, std::vector<std::string>& into) {
  const auto list = reader.take(key);
  if (!list) return;
  for (const JsonView& item : list->items()) {
    if (!item.string().starts_with('/')) item.refuse("is not an absolute path");
    into.push_back(item.string());
  }
}

void refuse_if_there(ObjectReader& reader, std::string_view key, std::string_view reason) {
  const auto value = reader.take(key);
  if (!value || (value->is_object() && value->members().empty())) return;
  fail(Errc::Unsupported, "reading config.json: '{}' {}", value->path(), reason);
}

}  // namespace

void read_linux(const JsonView& object, ContainerSpec& spec, const Context& context) {
  ObjectReader reader(object, context);
  const auto namespaces = reader.take("namespaces");
  spec.namespaces =
      read_namespaces(namespaces ? namespaces->items() : std::vector<JsonView>{}, context);
  if (const auto list = reader.take("uidMappings"))
    spec.uid_mappings = read_mappings(*list, context);
  if (const auto list = reader.take("gidMappings"))
    spec.gid_mappings = read_mappings(*list, context);
  if (const auto offsets = reader.take("timeOffsets")) read_offsets(*offsets, spec, context);
  if (const auto list = reader.take("devices")) {
    for (const JsonView& item : list->items())
      spec.devices.push_back(read_device(item, context));
  }
  reader.text("cgroupsPath", spec.cgroups_path);
  if (const auto resources = reader.take("resources"))
    spec.resources = read_resources(*resources, context);
  if (const auto sysctls = reader.take("sysctl")) {
    for (const auto& [name, value] : sysctls->members())
      spec.sysctls.emplace(name, value.string());
  }
  if (const auto seccomp = reader.take("seccomp")) spec.seccomp = read_seccomp(*seccomp, context);
  if (const auto propagation = reader.take("rootfsPropagation");
      propagation && !propagation->string().empty()) {
    spec.rootfs_propagation = propagation_of(propagation->string());
    if (spec.rootfs_propagation == 0)
      propagation->refuse(quoted(propagation->string()) + ": no propagation");
  }
  read_paths(reader, "maskedPaths", spec.masked_paths);
  read_paths(reader, "readonlyPaths", spec.read_only_paths);
  reader.text("mountLabel", spec.mount_label);
  if (const auto personality = reader.take("personality"))
    spec.personality = read_personality(*personality, context);
  if (const auto policy = reader.take("memoryPolicy"))
    spec.memory_policy = read_memory_policy(*policy, context);
  refuse_if_there(reader, "intelRdt", "is not supported");
  refuse_if_there(reader, "netDevices", "is not supported");
  reader.finish();
}

}  // namespace layerkit::runner
