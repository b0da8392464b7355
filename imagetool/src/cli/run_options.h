#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "layerkit/imagetool/container_run.h"

namespace layerkit::cli {

/// The command line of `run` and `create` as text; to_request reads the values.
struct RunOptions {
  std::vector<std::string> volumes;
  std::vector<std::string> tmpfs;
  std::vector<std::string> env;
  std::vector<std::string> env_files;
  std::vector<std::string> labels;
  std::vector<std::string> cap_add;
  std::vector<std::string> cap_drop;
  std::vector<std::string> extra_hosts;
  std::vector<std::string> dns;
  std::vector<std::string> ulimits;
  std::vector<std::string> sysctls;
  std::vector<std::string> security;
  std::vector<std::string> devices;
  std::vector<std::string> ports;
  std::vector<std::string> device_cgroup_rules;
  std::vector<std::string> blkio_weight_devices;
  std::vector<std::string> device_read_bps;
  std::vector<std::string> device_write_bps;
  std::vector<std::string> device_read_iops;
  std::vector<std::string> device_write_iops;
  std::vector<std::string> group_add;
  std::string name;
  std::string memory;
  std::string memory_swap;
  std::string memory_reservation;
  std::string memory_swappiness;
  std::string blkio_weight;
  std::string cpu_period;
  std::string cpu_quota;
  std::string cpuset_cpus;
  std::string cpuset_mems;
  std::string shm_size;
  std::string pid;
  std::string ipc;
  std::string uts;
  std::string cgroupns;
  std::string userns;
  std::string restart;
  std::string cpus;
  std::string cpu_shares;
  std::string pids_limit;
  std::string oom_score_adj;
  std::string user;
  std::string workdir;
  std::string hostname;
  std::optional<std::string> entrypoint;
  std::string network = "none";
  std::string stop_signal;
  std::string stop_timeout;
  std::string cgroup_parent;
  std::string cidfile;
  std::string mount_backend = "auto";
  bool remove = false;
  bool detach = false;
  bool interactive = false;
  bool tty = false;
  bool read_only = false;
  bool privileged = false;
  bool init = false;
  bool oom_kill_disable = false;
  bool proxy_signals = true;
  std::string detach_keys;
};

/// --env-file and --env as "K=V", in that order. Reads files and variables of this process.
std::vector<std::string> read_environment(const std::vector<std::string>& files,
                                          const std::vector<std::string>& variables);

void declare_create_options(CLI::App& command, RunOptions& options);
/// What `run` has besides those.
void declare_run_options(CLI::App& command, RunOptions& options);

/// `arguments`: IMAGE [COMMAND] [ARG...]. Reads environment files and variables of this process.
RunRequest to_request(const RunOptions& options, const std::vector<std::string>& arguments);

}  // namespace layerkit::cli
