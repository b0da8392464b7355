#include <algorithm>
#include <nlohmann/json.hpp>

#include "layerkit/base/error.h"
#include "layerkit/base/strict_json.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/container_options.h"

namespace layerkit {
namespace {

constexpr std::string_view kDefaultPath =
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

std::string_view variable_name(std::string_view variable) {
  return variable.substr(0, variable.find('='));
}

std::vector<std::string>::iterator find_variable(std::vector<std::string>& env,
                                                 std::string_view name) {
  return std::find_if(env.begin(), env.end(),
                      [&](const std::string& variable) { return variable_name(variable) == name; });
}

/// A list of strings; old images write a single string for a list of one.
std::vector<std::string> strings_of(const JsonView& json, std::string_view key) {
  const auto value = json.find(key);
  if (!value) return {};
  if (value->is_string()) return {value->string()};
  return value->strings();
}

std::map<std::string, std::string> labels_of(const JsonView& json) {
  std::map<std::string, std::string> labels;
  if (const auto value = json.find("Labels")) {
    for (const auto& [key, label] : value->members())
      labels[key] = label.string();
  }
  return labels;
}

std::vector<std::string> keys_of(const JsonView& json, std::string_view key) {
  std::vector<std::string> keys;
  if (const auto value = json.find(key)) {
    for (const auto& member : value->members())
      keys.push_back(member.first);
  }
  return keys;
}

bool boolean_or(const JsonView& json, std::string_view key, bool otherwise) {
  const auto value = json.find(key);
  return value ? value->boolean() : otherwise;
}

/// The members that an image's config and a container's have in common.
ContainerConfig parse_common(const JsonView& json) {
  ContainerConfig config;
  config.user = json.string_or("User", "");
  config.working_dir = json.string_or("WorkingDir", "");
  config.env = strings_of(json, "Env");
  config.entrypoint = strings_of(json, "Entrypoint");
  config.cmd = strings_of(json, "Cmd");
  config.labels = labels_of(json);
  config.volumes = keys_of(json, "Volumes");
  config.stop_signal = json.string_or("StopSignal", "");
  return config;
}

void override_command(ContainerConfig& config, const ConfigOverrides& overrides) {
  if (overrides.entrypoint) {
    config.entrypoint.clear();
    if (!overrides.entrypoint->empty()) config.entrypoint.push_back(*overrides.entrypoint);
    config.cmd = overrides.command;
  } else if (!overrides.command.empty()) {
    config.cmd = overrides.command;
  }
}

void override_simple(ContainerConfig& config, const ConfigOverrides& overrides) {
  config.hostname = overrides.hostname;
  if (!overrides.user.empty()) config.user = overrides.user;
  if (!overrides.working_dir.empty()) config.working_dir = overrides.working_dir;
  if (!config.working_dir.empty() && config.working_dir.front() != '/') {
    fail(Errc::Invalid, "the working directory {} is invalid, it needs to be an absolute path",
         layerkit::quoted(config.working_dir));
  }
  if (!overrides.stop_signal.empty()) config.stop_signal = overrides.stop_signal;
  config.stop_timeout_s = overrides.stop_timeout_s;
  config.open_stdin = overrides.open_stdin;
  config.stdin_once = overrides.stdin_once;
  config.tty = overrides.tty;
}

void add_volumes(ContainerConfig& config, const ConfigOverrides& overrides) {
  for (auto& volume : config.volumes)
    volume = parse_mount_target(volume, "volume of the image");
  config.volumes.insert(config.volumes.end(), overrides.volumes.begin(), overrides.volumes.end());
  std::sort(config.volumes.begin(), config.volumes.end());
  config.volumes.erase(std::unique(config.volumes.begin(), config.volumes.end()),
                       config.volumes.end());
}

}  // namespace

void set_environment(std::vector<std::string>& env, const std::string& variable) {
  const auto known = find_variable(env, variable_name(variable));
  if (known == env.end()) {
    env.push_back(variable);
  } else {
    *known = variable;
  }
}

std::vector<std::string> ContainerConfig::command_line() const {
  std::vector<std::string> line = entrypoint;
  line.insert(line.end(), cmd.begin(), cmd.end());
  return line;
}

nlohmann::json to_json(const ContainerConfig& config) {
  auto volumes = nlohmann::json::object();
  for (const auto& volume : config.volumes)
    volumes[volume] = nlohmann::json::object();
  nlohmann::json json = {{"Hostname", config.hostname},
                         {"User", config.user},
                         {"WorkingDir", config.working_dir},
                         {"Env", config.env},
                         {"Entrypoint", config.entrypoint},
                         {"Cmd", config.cmd},
                         {"Labels", config.labels},
                         {"Volumes", volumes},
                         {"OpenStdin", config.open_stdin},
                         {"StdinOnce", config.stdin_once},
                         {"Tty", config.tty}};
  if (!config.stop_signal.empty()) json["StopSignal"] = config.stop_signal;
  if (config.stop_timeout_s) json["StopTimeout"] = *config.stop_timeout_s;
  return json;
}

ContainerConfig container_config_from_json(const nlohmann::json& document) {
  const JsonView json(document, "container config");
  ContainerConfig config = parse_common(json);
  config.hostname = json.at("Hostname").string();
  config.open_stdin = json.at("OpenStdin").boolean();
  config.stdin_once = boolean_or(json, "StdinOnce", config.open_stdin);
  config.tty = boolean_or(json, "Tty", false);
  if (const auto timeout = json.find("StopTimeout")) {
    config.stop_timeout_s = timeout->unsigned_number();
  }
  return config;
}

ContainerConfig merge_config(const Image& image, const ConfigOverrides& overrides) {
  const JsonView document(image.config(), "image config");
  const auto image_config = document.find("config");
  ContainerConfig config = image_config ? parse_common(*image_config) : ContainerConfig();
  override_command(config, overrides);
  override_simple(config, overrides);
  for (const auto& variable : overrides.env)
    set_environment(config.env, variable);
  for (const auto& [key, value] : overrides.labels)
    config.labels[key] = value;
  add_volumes(config, overrides);
  if (config.command_line().empty()) fail(Errc::Invalid, "no command specified");
  if (!config.stop_signal.empty()) parse_signal(config.stop_signal);
  return config;
}

std::vector<std::string> process_environment(const ContainerConfig& config,
                                             const std::string& home) {
  std::vector<std::string> env = {std::string(kDefaultPath), "HOSTNAME=" + config.hostname};
  if (config.tty) env.emplace_back("TERM=xterm");
  for (const auto& variable : config.env) {
    if (variable.find('=') != std::string::npos) {
      set_environment(env, variable);
    } else if (const auto known = find_variable(env, variable); known != env.end()) {
      env.erase(known);  // docker: a name without '=' takes the variable away
    }
  }
  if (find_variable(env, "HOME") == env.end()) env.push_back("HOME=" + home);
  return env;
}

}  // namespace layerkit
