#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace layerkit {

/// A network configuration list of CNI (SPEC.md 1.0, "Network configuration format").
struct CniNetwork {
  std::string name;
  std::string version;                  ///< "1.0.0"
  std::vector<nlohmann::json> plugins;  ///< objects, each with a "type"
  bool disable_check = false;
};

/// `document` is what errors call it. Throws Error{Invalid}; Error{Unsupported} for a version of
/// the specification that is not known here.
CniNetwork parse_cni_network(std::string_view text, const std::string& document);

/// Names of the lists in `directory` (*.conflist), in lexical order.
std::vector<std::string> list_cni_files(const std::string& directory);

/// The list in `directory` that is named so, the first in lexical order of the files' names. No
/// list "bridge": the first of all, as other runtimes take for their default. Throws
/// Error{NotFound}.
CniNetwork find_cni_network(const std::string& directory, std::string_view name);

/// Whether a plugin of it says that it has the capability, "portMappings".
bool has_cni_capability(const CniNetwork& network, std::string_view capability);

/// What `network create` writes: bridge with host-local addresses of `subnet`, then portmap.
std::string default_cni_network(const std::string& name,
                                const std::string& bridge,
                                const std::string& subnet);

/// A name that may be a network's and a part of a file's name. Throws Error{Invalid}.
void check_cni_name(std::string_view name);

/// Where lists and plugins are: the variables NETCONFPATH and CNI_PATH, as CNI's own tool has them,
/// or /etc/cni/net.d; /opt/cni/bin and Debian's /usr/lib/cni.
std::string cni_config_directory();
std::vector<std::string> cni_plugin_directories();

}  // namespace layerkit
