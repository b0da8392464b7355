#pragma once

#include <cerrno>
#include <cstddef>

#include "plan.h"
#include "report.h"

namespace layerkit::runner {

// Everything between clone and exec. One copy of one thread of the caller runs it, so: system calls
// and the plan, nothing else - no allocation, no locks, no exceptions, no destructors that matter.

/// Sets the container up and executes the program. What fails is reported, and ends the process.
[[noreturn]] void run_child(const ChildPlan& plan) noexcept;
/// The process that comes first where namespaces are joined: it clones the one that runs run_child.
/// `*made` gets its pid.
[[noreturn]] void run_stage(const ChildPlan& plan, pid_t* made) noexcept;

// The parts of it, one file each.

/// Reports `step` with an errno, or with a reason in words, and ends the process.
[[noreturn]] void give_up(const ChildPlan& plan, Step step, std::size_t index, int error) noexcept;
[[noreturn]] void give_up_because(const ChildPlan& plan,
                                  Step step,
                                  std::size_t index,
                                  const char* reason) noexcept;

/// What a system call gave: gives up where it failed.
inline void check(const ChildPlan& plan, long result, Step step, std::size_t index = 0) noexcept {
  if (result < 0) give_up(plan, step, index, errno);
}

/// Reports how the createContainer hook of that index ended.
[[noreturn]] void give_up_on_hook(const ChildPlan& plan,
                                  std::size_t index,
                                  const HookEnd& end) noexcept;

/// Sends `report`, with a descriptor unless it is -1.
void send_report(const ChildPlan& plan, const Report& report, int fd) noexcept;
/// Until the parent says to go on; without it there is nobody to do anything for.
void await_byte(const ChildPlan& plan) noexcept;
/// Through the host's /proc: before namespaces are joined.
void write_oom_score(const ChildPlan& plan) noexcept;
void set_affinity(const ChildPlan& plan, const PlannedCpus& cpus) noexcept;
/// Of the user namespace.
void become_root(const ChildPlan& plan) noexcept;
std::size_t text_size(const char* text) noexcept;

/// A new terminal of the devpts below `root`; its master goes to the parent. Returns the slave.
int open_terminal(const ChildPlan& plan, int root) noexcept;
/// Makes it the controlling terminal and the standard streams.
void take_terminal(const ChildPlan& plan, int slave) noexcept;

/// What is in directory `from`, into the empty directory `to`: 0 or an errno.
int copy_tree_contents(int from, int to) noexcept;

/// Mounts everything, masks what is to be masked, and makes the rootfs the root.
void build_rootfs(const ChildPlan& plan) noexcept;
/// As process of a container that is there.
void enter_container(const ChildPlan& plan) noexcept;
/// Limits, capabilities, ids: from here on nothing privileged is possible.
void drop_privileges(const ChildPlan& plan) noexcept;

/// Opens `path` as O_PATH with the rootfs as its root; -1 and errno. `flags`: more O_* flags.
int open_in_root(int root, const char* path, int flags, unsigned mode = 0) noexcept;
/// The directory of `path`, made where it is missing, as O_PATH; `*name`: the rest of the path.
int open_parent(int root, const char* path, const char** name) noexcept;
/// As open_in_root; missing directories, or the missing empty file, are made, and `*was_made` is
/// set.
int open_target(
    int root, const char* path, bool is_directory, int flags, bool* was_made = nullptr) noexcept;

}  // namespace layerkit::runner
