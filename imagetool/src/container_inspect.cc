#include "layerkit/imagetool/container_inspect.h"

#include <fmt/ranges.h>

#include <nlohmann/json.hpp>

#include "container_network.h"
#include "layerkit/base/error.h"
#include "time_format.h"

namespace layerkit {
namespace {

using nlohmann::ordered_json;

constexpr const char* kNever = "0001-01-01T00:00:00Z";  // Go's zero time, as docker shows it

std::string or_never(const std::string& time) {
  return time.empty() ? kNever : time;
}

ordered_json state_json(const ContainerState& state) {
  const bool running = state.status == ContainerStatus::Running;
  return {{"Status", status_word(state)},
          {"Running", running},
          {"Paused", state.paused},
          {"Restarting", false},
          {"OOMKilled", state.oom_killed},
          {"Dead", false},
          {"Pid", running && state.init ? state.init->pid : 0},
          {"ExitCode", state.exit_code},
          {"Error", ""},
          {"StartedAt", or_never(state.started_at)},
          {"FinishedAt", or_never(state.finished_at)}};
}

ordered_json mounts_json(const ContainerStore& store, const ContainerInfo& info) {
  auto mounts = ordered_json::array();
  for (const auto& volume : info.volumes) {
    mounts.push_back({{"Type", "volume"},
                      {"Name", volume.name},
                      {"Source", store.path(info.id) + "/volumes/" + volume.name},
                      {"Destination", volume.destination},
                      {"Mode", ""},
                      {"RW", true}});
  }
  for (const auto& bind : info.options.binds) {
    const bool read_only = bind.access == MountAccess::ReadOnly;
    mounts.push_back({{"Type", "bind"},
                      {"Source", bind.source},
                      {"Destination", bind.destination},
                      {"Mode", read_only ? "ro" : ""},
                      {"RW", !read_only}});
  }
  return mounts;
}

ordered_json driver_json(const Store& layers, const std::string& id) {
  if (!layers.has_container(id)) return nullptr;
  const std::string_view name = driver_name(layers.driver());
  // As docker's AUFS driver, which tells no directories.
  if (layers.driver() == StoreDriver::Aufs) return {{"Data", nullptr}, {"Name", name}};
  const LayerPaths paths = layers.container_paths(id);
  return {{"Data",
           {{"LowerDir", fmt::format("{}", fmt::join(paths.lower, ":"))},
            {"MergedDir", paths.merged},
            {"UpperDir", paths.upper},
            {"WorkDir", paths.work}}},
          {"Name", name}};
}

/// What mounted its root, or is to.
MountBackend backend_of(const ContainerInfo& info, const ContainerState& state) {
  return state.backend == MountBackend::Auto ? info.backend : state.backend;
}

/// Docker's Config holds the image's name, too.
ordered_json config_json(const ContainerInfo& info) {
  ordered_json config = to_json(info.config);
  config["Image"] = info.image_name;
  return config;
}

ordered_json network_json(const ContainerStore& store, const ContainerInfo& info) {
  const auto attachment = find_network(store, info.id);
  const bool is_connected = attachment && !attachment->result.is_null();
  ordered_json settings = {{"SandboxKey", is_connected ? attachment->netns : ""},
                           {"Ports", ordered_json::object()}};
  const auto addresses = is_connected ? addresses_of(*attachment) : std::vector<NetworkAddress>();
  const NetworkAddress first = addresses.empty() ? NetworkAddress() : addresses.front();
  const ordered_json endpoint = {
      {"Gateway", first.gateway}, {"IPAddress", first.address}, {"IPPrefixLen", first.prefix}};
  settings.update(endpoint);
  settings["Networks"] = ordered_json::object();
  if (!is_connected) return settings;
  for (const auto& port : info.options.ports) {
    settings["Ports"][fmt::format("{}/{}", port.container_port, port.protocol)].push_back(
        {{"HostIp", port.host_ip.empty() ? "0.0.0.0" : port.host_ip},
         {"HostPort", std::to_string(port.host_port)}});
  }
  settings["Networks"][attachment->network.name] = endpoint;
  return settings;
}

}  // namespace

ordered_json inspect_container_json(ContainerStore& store, const ContainerInfo& info) {
  const auto state = store.full_state(info);
  if (!state) fail(Errc::NotFound, "No such container: {}", info.name);
  const auto line = info.config.command_line();
  const std::string path = store.path(info.id);
  return {{"Id", info.id},
          {"Created", info.created},
          {"Path", line.front()},
          {"Args", std::vector<std::string>(line.begin() + 1, line.end())},
          {"State", state_json(*state)},
          {"Image", info.image.str()},
          {"ResolvConfPath", path + "/resolv.conf"},
          {"HostnamePath", path + "/hostname"},
          {"HostsPath", path + "/hosts"},
          {"LogPath", path + "/log"},
          {"Name", "/" + info.name},
          {"Driver", driver_name(store.images().layers().driver())},
          {"Platform", "linux"},
          {"HostConfig", to_json(info.options)},
          {"MountBackend", backend_name(backend_of(info, *state))},
          {"GraphDriver", driver_json(store.images().layers(), info.id)},
          {"Mounts", mounts_json(store, info)},
          {"NetworkSettings", network_json(store, info)},
          {"Config", config_json(info)}};
}

std::string describe_status(const ContainerState& state) {
  const auto since = [](const std::string& time) {
    const auto then = parse_rfc3339(time);
    return then ? human_duration(current_time().seconds - then->seconds) : std::string("N/A");
  };
  switch (state.status) {
    case ContainerStatus::Created:
      return "Created";
    case ContainerStatus::Running:
      return "Up " + since(state.started_at) + (state.paused ? " (Paused)" : "");
    case ContainerStatus::Exited:
      break;
  }
  if (state.finished_at.empty()) return fmt::format("Exited ({})", state.exit_code);
  return fmt::format("Exited ({}) {} ago", state.exit_code, since(state.finished_at));
}

}  // namespace layerkit
