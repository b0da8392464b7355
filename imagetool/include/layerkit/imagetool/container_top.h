#pragma once

#include <string>
#include <vector>

#include "layerkit/imagetool/container_store.h"

namespace layerkit {

/// Processes of a container as ps(1) would list them, with pids as this process sees them.
struct ProcessTable {
  std::vector<std::string> titles;
  std::vector<std::vector<std::string>> rows;
};

/// What ps would be told: nothing or "-ef", "aux", "-o" with a list of columns, or their names
/// alone ("pid", "comm"). Returns names of columns. Throws Error{Invalid} for others.
std::vector<std::string> parse_process_columns(const std::vector<std::string>& arguments);

/// Throws Error{Invalid} when the container does not run, or for a column that is not known.
ProcessTable list_container_processes(const ContainerStore& store,
                                      const ContainerInfo& container,
                                      const std::vector<std::string>& columns);

}  // namespace layerkit
