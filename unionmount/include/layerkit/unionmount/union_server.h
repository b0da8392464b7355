#pragma once

#include <string>
#include <vector>

namespace layerkit {

/// The other side of make_fuse_mounter: what the program named by `server_command` calls with the
/// arguments that follow that command. Serves until the union is unmounted; a second process, the
/// supervisor, stays with the server and takes the mount away when the server dies. REQUIRES: the
/// process has no other threads and does nothing else. Returns the exit code.
int serve_union_from_arguments(const std::vector<std::string>& arguments);

}  // namespace layerkit
