#include "cni/cni_network.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/strict_json.h"
#include "layerkit/base/text.h"

namespace layerkit {
namespace {

constexpr std::size_t kMaxListBytes = 1 << 20;
constexpr std::size_t kMaxPlugins = 32;
constexpr std::string_view kEnding = ".conflist";

std::string variable(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): one thread
  return value == nullptr ? std::string() : value;
}

void check_version(const JsonView& version) {
  constexpr std::array<std::string_view, 5> kKnown = {"0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"};
  if (std::find(kKnown.begin(), kKnown.end(), version.string()) != kKnown.end()) return;
  fail(Errc::Unsupported, "reading {}: CNI version {} is not supported", version.document(),
       layerkit::quoted(version.string()));
}

/// A file name of a plugin's directory and nothing else: it is executed.
void check_type(const JsonView& plugin) {
  const JsonView type = plugin.at("type");
  const std::string& name = type.string();
  if (name.empty() || name.front() == '.' || name.find('/') != std::string::npos)
    type.refuse("is not the name of a plugin");
}

}  // namespace

void check_cni_name(std::string_view name) {
  const auto is_valid = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '.' || c == '_';
  };
  const bool starts_well = !name.empty() && name.front() != '-' && name.front() != '.';
  if (starts_well && name.size() <= 64 && std::all_of(name.begin(), name.end(), is_valid)) return;
  fail(Errc::Invalid, "invalid network name: {}", layerkit::quoted(name));
}

CniNetwork parse_cni_network(std::string_view text, const std::string& document) {
  const nlohmann::json parsed = parse_json(text, document, kMaxListBytes);
  const JsonView json(parsed, document);
  CniNetwork network;
  network.name = json.at("name").string();
  with_context([&] { return "reading " + document; }, [&] { check_cni_name(network.name); });
  check_version(json.at("cniVersion"));
  network.version = json.at("cniVersion").string();
  const auto plugins = json.at("plugins").items();
  if (plugins.empty() || plugins.size() > kMaxPlugins)
    json.at("plugins").refuse("has no plugins, or too many");
  for (const auto& plugin : plugins) {
    check_type(plugin);
    network.plugins.push_back(plugin.value());
  }
  if (const auto disabled = json.find("disableCheck")) network.disable_check = disabled->boolean();
  return network;
}

std::vector<std::string> list_cni_files(const std::string& directory) {
  std::vector<std::string> names;
  const auto opened = open_at_if_exists(AT_FDCWD, directory, O_RDONLY | O_DIRECTORY);
  if (!opened) return names;
  for (const auto& entry : list_dir(opened->get()))
    if (entry.name.ends_with(kEnding)) names.push_back(entry.name);
  std::sort(names.begin(), names.end());
  return names;
}

CniNetwork find_cni_network(const std::string& directory, std::string_view name) {
  std::optional<CniNetwork> first;
  for (const auto& file : list_cni_files(directory)) {
    const std::string path = directory + "/" + file;
    CniNetwork network =
        parse_cni_network(read_file_at(AT_FDCWD, path, kMaxListBytes), layerkit::quoted(path));
    if (network.name == name) return network;
    if (!first) first = std::move(network);
  }
  if (name == "bridge" && first) return *std::move(first);
  fail(Errc::NotFound, "network {} not found in {}: 'imagetool network create' makes one",
       layerkit::quoted(name), quoted(directory));
}

bool has_cni_capability(const CniNetwork& network, std::string_view capability) {
  return std::any_of(network.plugins.begin(), network.plugins.end(), [&](const auto& plugin) {
    const auto capabilities = plugin.find("capabilities");
    if (capabilities == plugin.end() || !capabilities->is_object()) return false;
    const auto found = capabilities->find(capability);
    return found != capabilities->end() && found->is_boolean() && found->template get<bool>();
  });
}

std::string default_cni_network(const std::string& name,
                                const std::string& bridge,
                                const std::string& subnet) {
  using nlohmann::ordered_json;
  const ordered_json range = {{"subnet", subnet}};
  const ordered_json ipam = {{"type", "host-local"},
                             {"ranges", ordered_json::array({ordered_json::array({range})})},
                             {"routes", ordered_json::array({{{"dst", "0.0.0.0/0"}}})}};
  const ordered_json bridge_plugin = {{"type", "bridge"},    {"bridge", bridge},
                                      {"isGateway", true},   {"ipMasq", true},
                                      {"hairpinMode", true}, {"ipam", ipam}};
  const ordered_json portmap = {{"type", "portmap"}, {"capabilities", {{"portMappings", true}}}};
  const ordered_json list = {{"cniVersion", "0.4.0"},
                             {"name", name},
                             {"plugins", ordered_json::array({bridge_plugin, portmap})}};
  return list.dump(2) + "\n";
}

std::string cni_config_directory() {
  const std::string given = variable("NETCONFPATH");
  return given.empty() ? "/etc/cni/net.d" : given;
}

std::vector<std::string> cni_plugin_directories() {
  const std::string given = variable("CNI_PATH");
  if (given.empty()) return {"/opt/cni/bin", "/usr/lib/cni"};
  std::vector<std::string> directories;
  for (const auto directory : split(given, ':'))
    if (directory.starts_with('/')) directories.emplace_back(directory);
  return directories;
}

}  // namespace layerkit
