#include "container_record.h"

#include <fcntl.h>

#include <cerrno>
#include <nlohmann/json.hpp>

#include "layerkit/base/byte_stream.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/strict_json.h"
#include "layerkit/base/text.h"
#include "layerkit/runner/oci_config.h"

namespace layerkit::runner {
namespace {

/// More than a config.json whose annotations are all it has.
constexpr std::size_t kMaxRecord = 4 * kMaxOciConfig;
constexpr std::size_t kMaxStat = 4096;

std::string dump(const nlohmann::ordered_json& json, const std::string& id, int indent) {
  try {
    return json.dump(indent);
  } catch (const nlohmann::json::exception&) {  // its only reason here
    fail(Errc::Invalid, "writing the state of container {}: a path in it is not valid UTF-8",
         quoted(id));
  }
}

}  // namespace

std::string to_json(const ContainerRecord& record) {
  nlohmann::ordered_json json;
  json["ociVersion"] = record.oci_version;
  json["id"] = record.id;
  json["pid"] = record.pid;
  json["startTime"] = record.start_time;
  json["bundle"] = record.bundle;
  json["rootfs"] = record.rootfs;
  json["created"] = record.created;
  json["owner"] = record.owner;
  json["cgroupsPath"] = record.cgroups_path;
  json["cgroups"] = record.cgroups;
  json["hasProcess"] = record.has_process;
  json["hasStartHooks"] = record.has_start_hooks;
  json["hasPoststopHooks"] = record.has_poststop_hooks;
  json["annotations"] = record.annotations;
  return dump(json, record.id, -1) + "\n";
}

ContainerRecord parse_record(std::string_view json, const std::string& name) {
  const nlohmann::json document = parse_json(json, name, kMaxRecord);
  const JsonView view(document, name);
  ContainerRecord record;
  record.oci_version = view.at("ociVersion").string();
  record.id = view.at("id").string();
  record.pid = static_cast<pid_t>(view.at("pid").number());
  record.start_time = view.at("startTime").unsigned_number();
  record.bundle = view.at("bundle").string();
  record.rootfs = view.at("rootfs").string();
  record.created = view.at("created").string();
  record.owner = static_cast<std::uint32_t>(view.at("owner").unsigned_number());
  record.cgroups_path = view.at("cgroupsPath").string();
  for (const JsonView& directory : view.at("cgroups").items())
    record.cgroups.push_back(directory.string());
  record.has_process = view.at("hasProcess").boolean();
  record.has_start_hooks = view.at("hasStartHooks").boolean();
  record.has_poststop_hooks = view.at("hasPoststopHooks").boolean();
  for (const auto& [key, value] : view.at("annotations").members())
    record.annotations.emplace(key, value.string());
  return record;
}

std::string state_json(const ContainerState& state, bool pretty) {
  nlohmann::ordered_json json;
  json["ociVersion"] = state.oci_version;
  json["id"] = state.id;
  json["pid"] = state.pid;
  json["status"] = status_name(state.status);
  json["bundle"] = state.bundle;
  json["rootfs"] = state.rootfs;
  json["created"] = state.created;
  json["annotations"] = state.annotations;
  json["owner"] = std::to_string(state.owner);
  return dump(json, state.id, pretty ? 2 : -1);
}

std::uint64_t start_time_of(pid_t pid) {
  if (pid <= 0) return 0;
  std::string text;
  const std::string path = fmt::format("/proc/{}/stat", pid);
  try {
    const std::optional<Fd> file = open_at_if_exists(AT_FDCWD, path, O_RDONLY);
    if (!file) return 0;
    FdSource source(file->get(), path);
    text = read_all(source, kMaxStat, path);
  } catch (const Error& error) {
    if (error.sys_errno() == ESRCH) return 0;
    throw;
  }
  // The name, in parentheses, may have blanks and parentheses itself.
  const std::size_t end = text.rfind(')');
  if (end == std::string::npos) return 0;
  const std::vector<std::string_view> fields =
      split(std::string_view(text).substr(std::min(end + 2, text.size())), ' ');
  constexpr std::size_t kState = 0;
  constexpr std::size_t kStartTime = 19;  // field 22, counted from the third
  if (fields.size() <= kStartTime) return 0;
  if (fields[kState] == "Z" || fields[kState] == "X") return 0;
  return parse_decimal(fields[kStartTime]).value_or(0);
}

ContainerState state_of(const ContainerRecord& record) {
  ContainerState state;
  state.oci_version = record.oci_version;
  state.id = record.id;
  state.bundle = record.bundle;
  state.rootfs = record.rootfs;
  state.created = record.created;
  state.owner = record.owner;
  state.annotations = record.annotations;
  if (record.pid == 0) state.status = ContainerStatus::Creating;
  const std::uint64_t start_time = start_time_of(record.pid);
  if (start_time == 0 || start_time != record.start_time) return state;
  state.pid = record.pid;
  state.status = ContainerStatus::Running;
  return state;
}

}  // namespace layerkit::runner

namespace layerkit {

std::string_view status_name(ContainerStatus status) noexcept {
  switch (status) {
    case ContainerStatus::Creating:
      return "creating";
    case ContainerStatus::Created:
      return "created";
    case ContainerStatus::Running:
      return "running";
    case ContainerStatus::Paused:
      return "paused";
    default:
      return "stopped";
  }
}

}  // namespace layerkit
