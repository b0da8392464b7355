#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace layerkit {

/// What /proc says of a process: proc(5).
struct ProcessFacts {
  pid_t pid = 0;
  char state = '?';
  std::uint64_t parent = 0;
  std::uint64_t group = 0;
  std::uint64_t session = 0;
  std::uint64_t terminal = 0;  ///< device number
  double cpu_seconds = 0;
  double age_seconds = 0;
  std::int64_t nice = 0;
  std::uint64_t threads = 0;
  std::uint64_t virtual_bytes = 0;
  std::uint64_t resident_bytes = 0;
  std::uint64_t uid = 0;  ///< effective
  std::uint64_t gid = 0;
  std::string name;
  std::string command;  ///< with its arguments, or the name in brackets
};
/// nullopt when it is gone.
std::optional<ProcessFacts> read_process(pid_t pid);

/// What the columns need of the machine.
struct Machine {
  std::uint64_t memory_bytes = 0;
  std::int64_t now = 0;  ///< seconds since the epoch
  std::map<std::uint64_t, std::string> users;
};
Machine read_machine();

/// One column of ps(1); null for a name that is not known.
struct ProcessColumn {
  std::string_view name;
  std::string_view title;
  std::string (*text)(const ProcessFacts& process, const Machine& machine);
};
const ProcessColumn* find_process_column(std::string_view name);

}  // namespace layerkit
