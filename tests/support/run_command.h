#pragma once

#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <string>

namespace layerkit::testing {

struct CommandResult {
  int exit_code = -1;
  std::string output;  ///< standard output and standard error
};

/// Runs a shell command line that the test wrote.
inline CommandResult run_command(const std::string& command) {
  CommandResult result;
  std::FILE* pipe = ::popen(("exec 2>&1; " + command).c_str(), "re");
  if (pipe == nullptr) return result;
  std::array<char, 4096> buffer{};
  while (const std::size_t got = std::fread(buffer.data(), 1, buffer.size(), pipe)) {
    result.output.append(buffer.data(), got);
  }
  const int status = ::pclose(pipe);
  if (WIFEXITED(status)) result.exit_code = WEXITSTATUS(status);
  return result;
}

inline bool has_command(const std::string& name) {
  return run_command("command -v " + name).exit_code == 0;
}

}  // namespace layerkit::testing
