#pragma once

#include <string>

namespace layerkit {

/// A new network namespace with its loopback interface up, bound to the file `path`, which must
/// not exist. Its directory is made.
void make_network_namespace(const std::string& path);

/// Takes the file and with it, when nobody is in it, the namespace. True when there was one.
bool remove_network_namespace(const std::string& path);

}  // namespace layerkit
