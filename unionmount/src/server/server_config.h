#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "layerkit/unionmount/union_spec.h"

namespace layerkit {

/// What the process that mounts tells the one that serves. Descriptors are numbers of open files
/// that the server inherits.
struct ServerConfig {
  struct BranchEntry {
    int fd = -1;
    std::string permission;  ///< "rw", "ro+wh", ...
    std::string path;        ///< to be shown; may be any bytes
  };

  std::string id;            ///< "si": hex digits
  std::uint64_t device = 0;  ///< st_dev of the union
  int fuse_fd = -1;          ///< an open /dev/fuse, mounted
  int ready_fd = -1;         ///< a pipe that is told "ready" or the error
  int work_fd = -1;          ///< -1: none
  std::string settings;      ///< as format_settings writes them
  WhiteoutFormat whiteouts = WhiteoutFormat::Aufs;
  bool read_only = false;
  bool no_atime = false;
  bool no_suid = false;
  bool no_dev = false;
  bool expendable_upper = false;
  std::vector<BranchEntry> branches;
};

/// The server's arguments are this and the number of an open file that holds the config.
inline constexpr std::string_view kConfigOption = "--config-fd";
/// What the server reads; larger is refused.
inline constexpr std::size_t kMaxServerConfigBytes = std::size_t{16} << 20;

/// The config of a spec; its descriptors stay the spec's.
ServerConfig describe_spec(const UnionSpec& spec);
/// The spec again, where the descriptors are inherited; it owns them.
UnionSpec adopt_spec(const ServerConfig& config);

std::string format_server_config(const ServerConfig& config);
/// Throws Error{Invalid} for anything that format_server_config does not write.
ServerConfig parse_server_config(std::string_view text);

}  // namespace layerkit
