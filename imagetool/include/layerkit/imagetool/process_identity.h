#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "layerkit/base/fd.h"

namespace layerkit {

/// One process, told apart from any other that had or will have its pid: the start time is in
/// clock ticks since boot (field 22 of /proc/PID/stat, proc(5)), the boot by the kernel's boot_id.
struct ProcessIdentity {
  pid_t pid = 0;
  std::uint64_t start_time = 0;
  std::string boot_id;
  bool operator==(const ProcessIdentity&) const = default;
};

/// nullopt when there is no such process, or only its zombie.
std::optional<ProcessIdentity> identify_process(pid_t pid);
/// The calling process.
ProcessIdentity own_identity();

/// True as long as the process runs; a zombie does not.
bool is_alive(const ProcessIdentity& process);

/// A pidfd of the process; nullopt when it is gone. No later process can be meant by it.
std::optional<Fd> open_process(const ProcessIdentity& process);
/// False when the process is gone.
bool signal_process(int pidfd, int signal_number);
/// Waits until the process has ended; false when `timeout_ms` passed before. Negative: for ever.
bool wait_for_exit(int pidfd, int timeout_ms);

}  // namespace layerkit
