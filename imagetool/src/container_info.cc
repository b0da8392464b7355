#include "container_info.h"

#include <nlohmann/json.hpp>

#include "layerkit/base/error.h"
#include "layerkit/base/strict_json.h"
#include "layerkit/base/text.h"

namespace layerkit {
namespace {

constexpr int kRecordVersion = 1;
constexpr std::size_t kMaxRecordBytes = 16 << 20;
/// Of records that were written before there was a choice.
constexpr char kNoBackend[] = "auto";

nlohmann::json process_json(const std::optional<ProcessIdentity>& process) {
  if (!process) return nullptr;
  return {
      {"pid", process->pid}, {"start_time", process->start_time}, {"boot_id", process->boot_id}};
}

std::optional<ProcessIdentity> parse_process(const std::optional<JsonView>& json) {
  if (!json) return std::nullopt;
  ProcessIdentity process;
  process.pid = static_cast<pid_t>(json->at("pid").unsigned_number());
  process.start_time = json->at("start_time").unsigned_number();
  process.boot_id = json->at("boot_id").string();
  return process;
}

ContainerStatus parse_status(const JsonView& json) {
  for (const auto status :
       {ContainerStatus::Created, ContainerStatus::Running, ContainerStatus::Exited}) {
    if (json.string() == status_name(status)) return status;
  }
  json.refuse("is not a status");
}

}  // namespace

std::string_view status_name(ContainerStatus status) noexcept {
  switch (status) {
    case ContainerStatus::Created:
      return "created";
    case ContainerStatus::Running:
      return "running";
    case ContainerStatus::Exited:
      break;
  }
  return "exited";
}

std::string_view status_word(const ContainerState& state) noexcept {
  return state.paused ? "paused" : status_name(state.status);
}

std::string format_container_info(const ContainerInfo& record) {
  auto volumes = nlohmann::json::array();
  for (const auto& volume : record.volumes) {
    volumes.push_back({{"name", volume.name}, {"destination", volume.destination}});
  }
  const nlohmann::json json = {{"version", kRecordVersion},
                               {"id", record.id},
                               {"name", record.name},
                               {"image", record.image.str()},
                               {"image_name", record.image_name},
                               {"created", record.created},
                               {"config", to_json(record.config)},
                               {"host_config", to_json(record.options)},
                               {"volumes", volumes},
                               {"mount_backend", backend_name(record.backend)}};
  // Arguments and variables may be any bytes; only what is valid UTF-8 survives, as with docker.
  return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

ContainerInfo parse_container_info(std::string_view text) {
  const auto document = parse_json(text, "container record", kMaxRecordBytes);
  const JsonView json(document, "container record");
  if (json.at("version").number() != kRecordVersion) json.at("version").refuse("is not known");
  ContainerInfo record{.id = json.at("id").string(),
                       .name = json.at("name").string(),
                       .image = ImageId::parse(json.at("image").string()),
                       .image_name = json.at("image_name").string(),
                       .created = json.at("created").string(),
                       .config = container_config_from_json(json.at("config").value()),
                       .options = host_options_from_json(json.at("host_config").value()),
                       .volumes = {},
                       .backend = parse_backend(json.string_or("mount_backend", kNoBackend))};
  for (const auto& volume : json.at("volumes").items()) {
    record.volumes.push_back({volume.at("name").string(), volume.at("destination").string()});
  }
  return record;
}

std::string format_container_state(const ContainerState& state) {
  nlohmann::json json = {
      {"status", status_name(state.status)},    {"init", process_json(state.init)},
      {"monitor", process_json(state.monitor)}, {"exit_code", state.exit_code},
      {"oom_killed", state.oom_killed},         {"started_at", state.started_at},
      {"finished_at", state.finished_at},       {"mount_backend", backend_name(state.backend)}};
  if (state.claimed_by) json["claimed_by"] = process_json(state.claimed_by);
  return json.dump(2) + "\n";
}

ContainerState parse_container_state(std::string_view text) {
  const auto document = parse_json(text, "container state", kMaxRecordBytes);
  const JsonView json(document, "container state");
  ContainerState state;
  state.status = parse_status(json.at("status"));
  state.init = parse_process(json.find("init"));
  state.monitor = parse_process(json.find("monitor"));
  state.claimed_by = parse_process(json.find("claimed_by"));
  state.exit_code = static_cast<int>(json.at("exit_code").number());
  state.oom_killed = json.at("oom_killed").boolean();
  state.started_at = json.at("started_at").string();
  state.finished_at = json.at("finished_at").string();
  state.backend = parse_backend(json.string_or("mount_backend", kNoBackend));
  return state;
}

}  // namespace layerkit
