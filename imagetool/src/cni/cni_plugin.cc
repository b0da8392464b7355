#include "cni/cni_plugin.h"

#include <fmt/ranges.h>
#include <unistd.h>

#include "cni/cni_process.h"
#include "layerkit/base/error.h"
#include "layerkit/base/strict_json.h"
#include "layerkit/base/text.h"

namespace layerkit {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxResult = 1 << 20;

std::string type_of(const json& plugin) {
  return plugin.at("type").get<std::string>();
}

std::string path_of(const std::string& type, const std::vector<std::string>& directories) {
  for (const auto& directory : directories) {
    const std::string path = directory + "/" + type;
    if (::access(path.c_str(), X_OK) == 0) return path;
  }
  fail(Errc::NotFound, "no such plugin in {}", fmt::join(directories, ", "));
}

std::vector<std::string> environment_of(const char* command, const CniAttachment& attachment) {
  return {fmt::format("CNI_COMMAND={}", command), "CNI_CONTAINERID=" + attachment.container_id,
          "CNI_NETNS=" + attachment.netns, "CNI_IFNAME=" + attachment.interface,
          "CNI_ARGS=", fmt::format("CNI_PATH={}", fmt::join(attachment.plugin_directories, ":")),
          // The plugins call iptables.
          "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"};
}

json config_of(const json& plugin, const CniAttachment& attachment, const json& previous) {
  json config = plugin;
  config["name"] = attachment.network.name;
  config["cniVersion"] = attachment.network.version;
  if (has_cni_capability({{}, {}, {plugin}, false}, "portMappings") &&
      !attachment.port_mappings.empty()) {
    config["runtimeConfig"]["portMappings"] = attachment.port_mappings;
  }
  if (!previous.is_null()) config["prevResult"] = previous;
  return config;
}

/// What a plugin that failed says, in one line: SPEC.md, "Error".
std::string complaint_of(const CniOutput& result) {
  const json said = json::parse(result.output, nullptr, false);
  if (said.is_object() && said.contains("msg") && said["msg"].is_string()) {
    std::string text = escaped(said["msg"].get<std::string>());
    if (said.contains("details") && said["details"].is_string() &&
        !said["details"].get<std::string>().empty()) {
      text += ": " + escaped(said["details"].get<std::string>());
    }
    return text;
  }
  const std::string& text = result.error.empty() ? result.output : result.error;
  return fmt::format("it ended with {}{}", result.exit_code,
                     text.empty() ? std::string() : ": " + escaped(text.substr(0, 1000)));
}

std::string call(const char* command,
                 const json& plugin,
                 const CniAttachment& attachment,
                 const json& previous,
                 const Context& context = {}) {
  const std::string type = type_of(plugin);
  return with_context(
      [&] { return fmt::format("plugin {} ({})", layerkit::quoted(type), command); },
      [&] {
        const std::string input = dump_json(config_of(plugin, attachment, previous), "the config");
        const CniOutput result =
            run_cni_process(path_of(type, attachment.plugin_directories),
                            environment_of(command, attachment), input, context);
        if (result.exit_code != 0) fail(Errc::Io, "{}", complaint_of(result));
        return result.output;
      });
}

template <typename Do>
void with_network(const char* what, const CniAttachment& attachment, Do&& act) {
  with_context(
      [&] { return fmt::format("{} network {}", what, layerkit::quoted(attachment.network.name)); },
      act);
}

}  // namespace

void cni_add(CniAttachment& attachment, const Context& context) {
  with_network("connecting to", attachment, [&] {
    json previous;
    for (const auto& plugin : attachment.network.plugins) {
      const std::string output = call("ADD", plugin, attachment, previous, context);
      previous = parse_json(output, "the result of plugin " + layerkit::quoted(type_of(plugin)),
                            kMaxResult);
    }
    attachment.result = std::move(previous);
  });
}

void cni_check(const CniAttachment& attachment) {
  with_network("checking", attachment, [&] {
    if (attachment.network.disable_check) return;
    if (attachment.network.version.starts_with("0.3"))
      fail(Errc::Unsupported, "CNI version {} has no CHECK", attachment.network.version);
    for (const auto& plugin : attachment.network.plugins)
      call("CHECK", plugin, attachment, attachment.result);
  });
}

void cni_delete(const CniAttachment& attachment) {
  with_network("disconnecting from", attachment, [&] {
    const auto& plugins = attachment.network.plugins;
    // DEL has no prevResult before 0.4.0.
    const bool has_previous = !attachment.network.version.starts_with("0.3");
    for (auto plugin = plugins.rbegin(); plugin != plugins.rend(); ++plugin)
      call("DEL", *plugin, attachment, has_previous ? attachment.result : json());
  });
}

json to_json(const CniAttachment& attachment) {
  return {{"cniVersion", attachment.network.version},
          {"name", attachment.network.name},
          {"disableCheck", attachment.network.disable_check},
          {"plugins", attachment.network.plugins},
          {"containerId", attachment.container_id},
          {"netns", attachment.netns},
          {"ifName", attachment.interface},
          {"pluginDirectories", attachment.plugin_directories},
          {"portMappings", attachment.port_mappings},
          {"result", attachment.result}};
}

CniAttachment cni_attachment_from_json(const json& document) {
  const std::string name = "network record";
  const JsonView view(document, name);
  CniAttachment attachment;
  attachment.network = parse_cni_network(dump_json(document, name), name);
  attachment.container_id = view.at("containerId").string();
  attachment.netns = view.at("netns").string();
  attachment.interface = view.at("ifName").string();
  attachment.plugin_directories = view.at("pluginDirectories").strings();
  attachment.port_mappings = view.at("portMappings").value();
  if (const auto result = view.find("result")) attachment.result = result->value();
  return attachment;
}

}  // namespace layerkit
