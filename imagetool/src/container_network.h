#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cni/cni_plugin.h"
#include "layerkit/base/context.h"
#include "layerkit/imagetool/container_store.h"

namespace layerkit {

/// The network of a container whose NetworkMode is Named. Its namespace is a file that the kernel
/// keeps until it is released, so that what plugins did can be undone after a crash, too; what is
/// needed for that is "network.json" of the record, which is written before any plugin runs.

/// Makes the namespace, with the loopback interface up, and connects it; writes hosts and
/// resolv.conf of the record anew. On failure nothing is left. Returns the namespace's path.
std::string connect_network(const ContainerStore& store,
                            const ContainerInfo& info,
                            const Context& context);

/// Undoes it; nothing when there is nothing to undo. What plugins cannot do is a warning: the
/// container goes all the same.
void release_network(const ContainerStore& store, const std::string& id, const Context& context);

/// What the record says, for inspect; nullopt when it is not connected.
std::optional<CniAttachment> find_network(const ContainerStore& store, const std::string& id);

/// An address of an attachment: "10.88.0.2/16".
struct NetworkAddress {
  std::string address;
  unsigned prefix = 0;
  std::string gateway;
};
std::vector<NetworkAddress> addresses_of(const CniAttachment& attachment);

}  // namespace layerkit
