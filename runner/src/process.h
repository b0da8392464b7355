#pragma once

#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

#include "layerkit/base/fd.h"
#include "layerkit/runner/container.h"
#include "plan.h"

namespace layerkit::runner {

/// Writes the id maps of the process's user namespace. Throws Error.
void write_id_maps(pid_t pid,
                   const std::vector<IdMapping>& uids,
                   const std::vector<IdMapping>& gids);
/// uid_map or gid_map of a process as user_namespaces(7) has it: the host's ids are the reader's.
std::vector<IdMapping> read_id_map(const std::string& path);
/// A new user namespace with those mappings, as a file of nsfs.
Fd make_user_namespace(const std::vector<IdMapping>& uids, const std::vector<IdMapping>& gids);

/// A number that a child of this process writes and this process reads; 0 before.
class SharedPid {
 public:
  SharedPid() = default;
  SharedPid(SharedPid&& other) noexcept : place_(std::exchange(other.place_, nullptr)) {}
  SharedPid& operator=(SharedPid&&) = delete;
  SharedPid(const SharedPid&) = delete;
  SharedPid& operator=(const SharedPid&) = delete;
  ~SharedPid();

  void make();
  /// Null unless it was made.
  pid_t* get() const noexcept { return place_; }

 private:
  pid_t* place_ = nullptr;
};

/// The container's first process: killed and reaped when the object goes, unless it was before.
class Process {
 public:
  /// Clones a child into the namespaces of `plan` (and into `cgroup_directory` unless -1) that runs
  /// run_child(plan), or run_stage(plan).
  Process(const Plan& plan, int cgroup_directory);
  Process(Process&& other) noexcept;
  Process& operator=(Process&&) = delete;
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process();

  /// The process came from a stage: it takes its place.
  void adopt(pid_t pid, Fd pidfd);
  bool is_adopted() const noexcept { return is_adopted_; }
  /// The process lives on when the object goes.
  void release() noexcept { is_owned_ = false; }

  pid_t pid() const noexcept { return pid_; }
  int pidfd() const noexcept { return pidfd_.get(); }
  void write_mappings(const std::vector<IdMapping>& uids, const std::vector<IdMapping>& gids) const;
  void signal(int signal_number) const;
  /// Blocks until it ends; reaps it. Exit code or 128 + signal. REQUIRES: not called before.
  ExitStatus wait();

 private:
  pid_t pid_ = -1;
  Fd pidfd_;
  /// What the stage has cloned: a child of this process, whether it was told of it or not.
  SharedPid made_;
  bool reaped_ = false;
  bool is_owned_ = true;
  bool is_adopted_ = false;
};

}  // namespace layerkit::runner
