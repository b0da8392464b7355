#include "cli/foreground.h"
#include "cli/repeated_option.h"
#include "cli/run_options.h"

namespace layerkit::cli {
namespace {

CLI::Option* add_text(CLI::App& command,
                      const std::string& names,
                      std::string& value,
                      const std::string& help,
                      const std::string& type) {
  return command.add_option(names, value, help)
      ->type_name(type)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
}

CLI::Option* add_list(CLI::App& command,
                      const std::string& names,
                      std::vector<std::string>& values,
                      const std::string& help,
                      const std::string& type) {
  return add_repeated_option(command, names, values, help)->type_name(type);
}

void declare_process_options(CLI::App& command, RunOptions& options) {
  command
      .add_option_function<std::string>(
          "--entrypoint", [&options](const std::string& value) { options.entrypoint = value; },
          "Overwrite the default ENTRYPOINT of the image")
      ->type_name("COMMAND");
  add_list(command, "-e,--env", options.env, "Set environment variables", "NAME[=VALUE]");
  add_list(command, "--env-file", options.env_files, "Read environment variables from", "FILE");
  add_text(command, "-h,--hostname", options.hostname, "Container host name", "NAME");
  command.add_flag("-i,--interactive", options.interactive, "Keep STDIN open and pass it on");
  add_list(command, "-l,--label", options.labels, "Set meta data on a container", "KEY[=VALUE]");
  add_text(command, "--name", options.name, "Assign a name to the container", "NAME");
  add_text(command, "--stop-signal", options.stop_signal, "Signal to stop the container", "SIGNAL");
  add_text(command, "--stop-timeout", options.stop_timeout, "Time until 'stop' kills the container",
           "SECONDS");
  command.add_flag("-t,--tty", options.tty, "Give it a terminal");
  add_text(command, "-u,--user", options.user, "User and group, by name or ID", "USER[:GROUP]");
  add_text(command, "-w,--workdir", options.workdir, "Working directory", "PATH");
}

void declare_limits(CLI::App& command, RunOptions& options) {
  add_text(command, "--cgroup-parent", options.cgroup_parent, "Parent cgroup", "CGROUP");
  add_text(command, "--blkio-weight", options.blkio_weight,
           "Block IO (relative weight), between 10 and 1000, or 0 to disable (default 0)", "N");
  add_list(command, "--blkio-weight-device", options.blkio_weight_devices,
           "Block IO weight (relative device weight)", "DEVICE:N");
  add_text(command, "--cpu-period", options.cpu_period,
           "Limit CPU CFS (Completely Fair Scheduler) period", "MICROSECONDS");
  add_text(command, "--cpu-quota", options.cpu_quota,
           "Limit CPU CFS (Completely Fair Scheduler) quota", "MICROSECONDS");
  add_text(command, "-c,--cpu-shares", options.cpu_shares, "CPU shares (relative weight)", "N");
  add_text(command, "--cpus", options.cpus, "Number of CPUs", "N");
  add_text(command, "--cpuset-cpus", options.cpuset_cpus,
           "CPUs in which to allow execution (0-3, 0,1)", "LIST");
  add_text(command, "--cpuset-mems", options.cpuset_mems,
           "MEMs in which to allow execution (0-3, 0,1)", "LIST");
  add_list(command, "--device-read-bps", options.device_read_bps,
           "Limit read rate (bytes per second) from a device", "DEVICE:RATE");
  add_list(command, "--device-read-iops", options.device_read_iops,
           "Limit read rate (IO per second) from a device", "DEVICE:RATE");
  add_list(command, "--device-write-bps", options.device_write_bps,
           "Limit write rate (bytes per second) to a device", "DEVICE:RATE");
  add_list(command, "--device-write-iops", options.device_write_iops,
           "Limit write rate (IO per second) to a device", "DEVICE:RATE");
  add_text(command, "-m,--memory", options.memory, "Memory limit", "SIZE");
  add_text(command, "--memory-reservation", options.memory_reservation, "Memory soft limit",
           "SIZE");
  add_text(command, "--memory-swap", options.memory_swap,
           "Limit of memory plus swap; -1 for unlimited swap", "SIZE");
  add_text(command, "--memory-swappiness", options.memory_swappiness,
           "Tune container memory swappiness (0 to 100; -1: the host's)", "N");
  command.add_flag("--oom-kill-disable", options.oom_kill_disable, "Disable OOM Killer");
  add_text(command, "--oom-score-adj", options.oom_score_adj,
           "Preference of the OOM killer, -1000 to 1000", "N");
  add_text(command, "--pids-limit", options.pids_limit, "Limit of processes; -1: none", "N");
  add_list(command, "--ulimit", options.ulimits, "Ulimit options", "NAME=SOFT[:HARD]");
}

void declare_environment(CLI::App& command, RunOptions& options) {
  add_list(command, "--add-host", options.extra_hosts, "Add a line to /etc/hosts", "HOST:IP");
  add_list(command, "--cap-add", options.cap_add, "Add Linux capabilities", "CAPABILITY");
  add_list(command, "--cap-drop", options.cap_drop, "Drop Linux capabilities", "CAPABILITY");
  add_text(command, "--cgroupns", options.cgroupns,
           "Cgroup namespace to use: the container's own (default), or the host's", "private|host");
  add_list(command, "--device", options.devices, "Add a host device to the container",
           "HOST[:CONTAINER][:rwm]");
  add_list(command, "--device-cgroup-rule", options.device_cgroup_rules,
           "Add a rule to the cgroup allowed devices list", "RULE");
  add_list(command, "--dns", options.dns, "Set name servers", "IP");
  add_list(command, "--group-add", options.group_add, "Add additional groups to join", "GROUP");
  command.add_flag("--init", options.init,
                   "Run an init inside the container that forwards signals and reaps processes");
  add_text(command, "--ipc", options.ipc,
           "IPC namespace to use: the container's own (default), or the host's", "private|host");
  add_text(command, "--network,--net", options.network,
           "Network of the container: only loopback (default), the host's, or one that "
           "'network' lists",
           "none|host|bridge|NETWORK");
  add_text(command, "--pid", options.pid,
           "PID namespace to use: the container's own (default), or the host's", "private|host");
  command.add_flag("--privileged", options.privileged,
                   "Give extended privileges to this container");
  add_list(command, "-p,--publish", options.ports, "Publish a container's port to the host",
           "[[IP:]HOST:]CONTAINER[/PROTOCOL]");
  command.add_flag("--read-only", options.read_only,
                   "Mount the container's root filesystem as read only");
  add_text(command, "--restart", options.restart,
           "Restart policy to apply when a container exits: only 'no', there is no daemon", "no");
  add_list(command, "--security-opt", options.security,
           "Security options: seccomp=unconfined, seccomp=PROFILE.json, "
           "no-new-privileges[=true|false], apparmor=PROFILE, label=disable, "
           "systempaths=unconfined",
           "OPTION");
  add_text(command, "--shm-size", options.shm_size, "Size of /dev/shm", "SIZE");
  add_list(command, "--sysctl", options.sysctls, "Sysctl options", "NAME=VALUE");
  add_list(command, "--tmpfs", options.tmpfs, "Mount a tmpfs directory", "DIR[:OPTIONS]");
  add_text(command, "--userns", options.userns, "User namespace to use: only the host's", "host");
  add_text(command, "--uts", options.uts,
           "UTS namespace to use: the container's own (default), or the host's", "private|host");
  add_list(command, "-v,--volume", options.volumes,
           "Bind a directory or file of the host, or make an anonymous volume",
           "[SRC:]DST[:ro|rw]");
}

}  // namespace

void declare_create_options(CLI::App& command, RunOptions& options) {
  declare_process_options(command, options);
  declare_limits(command, options);
  declare_environment(command, options);
  add_text(command, "--cidfile", options.cidfile, "Write the container ID to the file", "FILE");
  command.add_flag("--rm", options.remove, "Remove the container when it exits");
}

void declare_run_options(CLI::App& command, RunOptions& options) {
  command.add_flag("-d,--detach", options.detach, "Run in the background and print the ID");
  add_detach_keys_option(command, options.detach_keys);
  command.add_flag("--sig-proxy", options.proxy_signals,
                   "Pass received signals on (default); --sig-proxy=false ignores them");
}

}  // namespace layerkit::cli
