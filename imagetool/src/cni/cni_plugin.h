#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cni/cni_network.h"
#include "layerkit/base/context.h"

namespace layerkit {

/// A container as CNI's plugins are told of it.
struct CniAttachment {
  CniNetwork network;
  std::string container_id;
  std::string netns;  ///< path
  std::string interface = "eth0";
  std::vector<std::string> plugin_directories;
  nlohmann::json port_mappings = nlohmann::json::array();  ///< for who has the capability
  nlohmann::json result;                                   ///< of ADD; null before
};

/// SPEC.md 1.0, "Section 4" (each plugin gets what the one before it gave; in the reverse order for
/// DEL). Errors name the network, the plugin and what it says. An interruption is noticed while a
/// plugin runs.
void cni_add(CniAttachment& attachment, const Context& context);
void cni_check(const CniAttachment& attachment);
void cni_delete(const CniAttachment& attachment);

/// A record of it and back (strict).
nlohmann::json to_json(const CniAttachment& attachment);
CniAttachment cni_attachment_from_json(const nlohmann::json& document);

}  // namespace layerkit
