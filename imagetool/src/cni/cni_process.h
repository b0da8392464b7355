#pragma once

#include <string>
#include <vector>

#include "layerkit/base/context.h"

namespace layerkit {

struct CniOutput {
  int exit_code = 0;  ///< 128 + signal when one ended it
  std::string output;
  std::string error;
};

/// Runs the plugin at the absolute `path` with `environment` alone and `input` as its standard
/// input, and waits for its end. Throws Error{Limit} when it says or takes too much, and
/// Error{Interrupted} when somebody wants to stop: it is killed.
CniOutput run_cni_process(const std::string& path,
                          const std::vector<std::string>& environment,
                          const std::string& input,
                          const Context& context);

}  // namespace layerkit
