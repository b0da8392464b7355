#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "layerkit/runner/runtime.h"

namespace layerkit::runner {

/// What is known of a container beside its config.json: docs/formats/runner-state.md.
struct ContainerRecord {
  std::string oci_version;
  std::string id;
  pid_t pid = 0;
  std::uint64_t start_time = 0;  ///< of the process, clock ticks since boot: proc(5)
  std::string bundle;
  std::string rootfs;
  std::string created;
  std::uint32_t owner = 0;
  std::string cgroups_path;
  std::vector<std::string> cgroups;  ///< the directories that were made for it; there may be none
  // What config.json has, so that it is read again only where that matters.
  bool has_process = true;
  bool has_start_hooks = false;  ///< startContainer or poststart
  bool has_poststop_hooks = false;
  std::map<std::string, std::string> annotations;
};

std::string to_json(const ContainerRecord& record);
/// Throws Error{Invalid}.
ContainerRecord parse_record(std::string_view json, const std::string& name);

/// What hooks get on their standard input, and `state` prints.
std::string state_json(const ContainerState& state, bool pretty);

/// The state of a container with `record`, as of now: one that waits to be started or is paused is
/// taken for running.
ContainerState state_of(const ContainerRecord& record);

/// Field 22 of /proc/PID/stat; 0 when the process is gone or a zombie. Throws
/// Error when that cannot be found out.
std::uint64_t start_time_of(pid_t pid);

}  // namespace layerkit::runner
