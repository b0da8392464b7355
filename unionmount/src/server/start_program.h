#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "layerkit/base/fd.h"

namespace layerkit {

/// A program to run. It gets the caller's environment and `environment` on top.
struct ProgramStart {
  std::string path;
  std::vector<std::string> arguments;    ///< the first is the name it shows
  std::vector<std::string> environment;  ///< "NAME=VALUE"
  std::vector<int> descriptors;          ///< inherited under their numbers; no others are
  int standard_error = -1;               ///< what becomes descriptor 2; -1: /dev/null
};

/// Starts the program as nobody's child: leader of a session of its own, in "/", with no signal
/// blocked or ignored. Throws when it cannot be executed. It has no parent that would have to wait.
void start_detached(const ProgramStart& program);

/// Starts the program as a child. Throws when it cannot be executed.
pid_t start_child(const ProgramStart& program);

/// Waits for the child. Its exit code, or 128 and the signal's number.
int wait_for_child(pid_t child);

}  // namespace layerkit
