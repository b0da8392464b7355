#pragma once

#include <cstddef>

#include "plan.h"
#include "report.h"

namespace layerkit::runner {

// Everything between clone and exec. One copy of one thread of the caller runs it, so: system calls
// and the plan, nothing else - no allocation, no locks, no exceptions, no destructors that matter.

/// Sets the container up and executes the program. What fails is reported, and ends the process.
[[noreturn]] void run_child(const ChildPlan& plan) noexcept;

// The parts of it, one file each.

/// Reports `step` with an errno, or with a reason in words, and ends the process.
[[noreturn]] void give_up(const ChildPlan& plan, Step step, std::size_t index, int error) noexcept;
[[noreturn]] void give_up_because(const ChildPlan& plan,
                                  Step step,
                                  std::size_t index,
                                  const char* reason) noexcept;

/// Mounts everything, masks what is to be masked, and makes the rootfs the root.
void build_rootfs(const ChildPlan& plan) noexcept;
/// Sysctls, through a procfs that nobody else can have tampered with.
void write_sysctls(const ChildPlan& plan) noexcept;
/// Limits, capabilities, ids: from here on nothing privileged is possible.
void drop_privileges(const ChildPlan& plan) noexcept;

/// Opens `path` as O_PATH with the rootfs as its root; -1 and errno. `flags`: more O_* flags.
int open_in_root(int root, const char* path, int flags, unsigned mode = 0) noexcept;
/// The directory of `path`, made where it is missing, as O_PATH; `*name`: the rest of the path.
int open_parent(int root, const char* path, const char** name) noexcept;
/// As open_in_root; missing directories, or the missing empty file, are made.
int open_target(int root, const char* path, bool is_directory, int flags) noexcept;

}  // namespace layerkit::runner
