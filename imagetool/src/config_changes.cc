#include "layerkit/imagetool/config_changes.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "layerkit/base/error.h"
#include "layerkit/base/strict_json.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/image_changes.h"

namespace layerkit {
namespace {

using nlohmann::json;

std::string name_of(const std::string& assignment) {
  return assignment.substr(0, assignment.find('='));
}

/// NAME=VALUE, as two.
std::pair<std::string, std::string> split_assignment(const std::string& text, const char* what) {
  const std::string name = name_of(text);
  if (name.empty()) fail(Errc::Invalid, "setting {} {}: it has no name", what, quoted(text));
  return {name, name.size() < text.size() ? text.substr(name.size() + 1) : std::string()};
}

json& member(json& object, const char* key, const json& otherwise) {
  json& value = object[key];
  if (value.is_null()) value = otherwise;
  return value;
}

/// An empty member says the same as none, and is not written.
void drop_empty(json& object, const char* key) {
  const auto found = object.find(key);
  if (found != object.end() && found->empty()) object.erase(found);
}

void change_env(json& config, const ConfigChanges& changes) {
  json& env = member(config, "Env", json::array());
  const auto find = [&env](const std::string& name) {
    return std::find_if(env.begin(), env.end(), [&](const json& variable) {
      return name_of(variable.get<std::string>()) == name;
    });
  };
  for (const std::string& name : changes.env_removed) {
    if (find(name) == env.end()) {
      fail(Errc::NotFound, "removing variable {}: not set", quoted(name));
    }
    for (auto found = find(name); found != env.end(); found = find(name))
      env.erase(found);
  }
  for (const std::string& assignment : changes.env) {
    const std::string name = split_assignment(assignment, "variable").first;
    if (name == assignment) {
      fail(Errc::Invalid, "setting variable {}: it has no value", quoted(assignment));
    }
    const auto first = find(name);
    const auto place = first - env.begin();
    for (auto found = first; found != env.end(); found = find(name))
      env.erase(found);
    env.insert(env.begin() + place, assignment);
  }
  drop_empty(config, "Env");
}

void change_labels(json& config, const ConfigChanges& changes) {
  json& labels = member(config, "Labels", json::object());
  for (const std::string& name : changes.labels_removed) {
    if (labels.erase(name) == 0) fail(Errc::NotFound, "removing label {}: not set", quoted(name));
  }
  for (const std::string& label : changes.labels) {
    const auto [name, value] = split_assignment(label, "label");
    labels[name] = value;
  }
  drop_empty(config, "Labels");
}

/// "80" is "80/tcp".
std::string port_key(const std::string& text) {
  const std::size_t slash = text.find('/');
  const std::string protocol = slash == std::string::npos ? "tcp" : text.substr(slash + 1);
  const auto number = parse_decimal(text.substr(0, slash));
  constexpr std::uint64_t kLastPort = 65535;
  const bool is_known = protocol == "tcp" || protocol == "udp" || protocol == "sctp";
  if (!number || *number == 0 || *number > kLastPort || !is_known) {
    fail(Errc::Invalid, "{} is no port: PORT[/tcp|/udp|/sctp]", quoted(text));
  }
  return fmt::format("{}/{}", *number, protocol);
}

void change_ports(json& config, const ConfigChanges& changes) {
  json& ports = member(config, "ExposedPorts", json::object());
  for (const std::string& port : changes.exposed_removed) {
    if (ports.erase(port_key(port)) == 0) {
      fail(Errc::NotFound, "removing port {}: not exposed", quoted(port));
    }
  }
  for (const std::string& port : changes.exposed)
    ports[port_key(port)] = json::object();
  drop_empty(config, "ExposedPorts");
}

void change_volumes(json& config, const ConfigChanges& changes) {
  json& volumes = member(config, "Volumes", json::object());
  for (const std::string& volume : changes.volumes_removed) {
    if (volumes.erase(volume) == 0) {
      fail(Errc::NotFound, "removing volume {}: not declared", quoted(volume));
    }
  }
  for (const std::string& volume : changes.volumes) {
    if (!volume.starts_with('/')) {
      fail(Errc::Invalid, "declaring volume {}: it is no absolute path", quoted(volume));
    }
    volumes[volume] = json::object();
  }
  drop_empty(config, "Volumes");
}

void change_text(json& object, const char* key, const std::optional<std::string>& value) {
  if (!value) return;
  if (value->empty()) {
    object.erase(key);
  } else {
    object[key] = *value;
  }
}

/// Both are known before either is set: an ENTRYPOINT alone would drop the CMD.
void change_commands(json& config, const ConfigChanges& changes) {
  const auto set = [&config](const char* key, const char* instruction,
                             const std::optional<std::string>& value) {
    if (!value) return;
    if (value->empty()) {
      config.erase(key);
    } else {
      const json changed =
          apply_image_changes(json::object(), {fmt::format("{} {}", instruction, *value)});
      config[key] = changed.at(key);
    }
  };
  set("Cmd", "CMD", changes.cmd);
  set("Entrypoint", "ENTRYPOINT", changes.entrypoint);
}

}  // namespace

Image change_config(const Image& image, const ConfigChanges& changes) {
  json document = image.config();
  json config = document.contains("config") && document["config"].is_object() ? document["config"]
                                                                              : json::object();
  change_env(config, changes);
  change_labels(config, changes);
  change_ports(config, changes);
  change_volumes(config, changes);
  change_commands(config, changes);
  change_text(config, "User", changes.user);
  change_text(config, "WorkingDir", changes.working_dir);
  change_text(config, "StopSignal", changes.stop_signal);
  change_text(document, "author", changes.author);
  if (const auto& platform = changes.platform) {
    document["os"] = platform->os;
    document["architecture"] = platform->architecture;
    change_text(document, "variant", platform->variant);
  }
  document["config"] = apply_image_changes(std::move(config), changes.instructions);
  return Image::parse(dump_json(document, "config"));
}

}  // namespace layerkit
