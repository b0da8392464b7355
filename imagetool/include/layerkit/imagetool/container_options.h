#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "layerkit/imagetool/image.h"
#include "layerkit/imagetool/option_values.h"
#include "layerkit/imagetool/security_options.h"

namespace layerkit {

enum class NetworkMode {
  None,  ///< a network of its own with nothing but loopback
  Host,
  Named,  ///< one of its own, connected by CNI's plugins
};

/// Whose namespace of one kind a container has.
enum class NamespaceMode { Private, Host };

/// A device of the host as docker names it, and how much of it.
struct DeviceLimit {
  std::string path;
  std::uint64_t value = 0;  ///< bytes or operations per second; a weight
  bool operator==(const DeviceLimit&) const = default;
};

/// Docker's --blkio-weight, --device-read-bps, ...
struct BlockIoOptions {
  std::optional<std::uint16_t> weight;
  std::vector<DeviceLimit> weight_devices;
  std::vector<DeviceLimit> read_bps;
  std::vector<DeviceLimit> write_bps;
  std::vector<DeviceLimit> read_iops;
  std::vector<DeviceLimit> write_iops;
};

/// How a container is set up on this machine: docker's HostConfig. Nothing of it goes into an
/// image that is made from the container.
struct HostOptions {
  std::vector<BindVolume> binds;
  std::vector<TmpfsMount> tmpfs;
  std::optional<std::uint64_t> memory;
  std::optional<std::int64_t> memory_swap;  ///< memory + swap; -1: unlimited
  std::optional<std::int64_t> nano_cpus;
  std::optional<std::uint64_t> cpu_shares;
  std::optional<std::uint64_t> pids_limit;
  std::optional<std::uint64_t> memory_reservation;
  std::optional<std::uint64_t> memory_swappiness;  ///< 0 to 100
  bool oom_kill_disable = false;
  std::optional<std::uint64_t> cpu_period;  ///< microseconds, as the next one
  std::optional<std::int64_t> cpu_quota;
  std::string cpuset_cpus;
  std::string cpuset_mems;
  BlockIoOptions block_io;
  std::vector<std::string> cap_add;
  std::vector<std::string> cap_drop;
  std::vector<std::string> extra_hosts;  ///< "host:ip"
  std::vector<std::string> dns;
  std::vector<Rlimit> ulimits;
  std::map<std::string, std::string> sysctls;
  std::optional<int> oom_score_adj;
  std::vector<DeviceMapping> devices;
  std::vector<std::string> device_cgroup_rules;  ///< "c 1:3 rwm"
  std::vector<std::string> group_add;
  std::optional<std::uint64_t> shm_size;
  NamespaceMode pid = NamespaceMode::Private;
  NamespaceMode ipc = NamespaceMode::Private;
  NamespaceMode uts = NamespaceMode::Private;
  NamespaceMode cgroup = NamespaceMode::Private;
  std::string userns;  ///< "host", or empty, which is the same
  std::string cgroup_parent;
  NetworkMode network = NetworkMode::None;
  std::string network_name;        ///< of a Named one
  std::vector<PortMapping> ports;  ///< published
  bool read_only_rootfs = false;
  SecurityOptions security;
  bool privileged = false;
  bool init = false;  ///< the built-in init is the first process
  bool auto_remove = false;
};

/// Docker's checks of options against each other and this machine, with docker's words.
void check_options(const HostOptions& options);

/// The same as docker inspect shows it under HostConfig, and back (strict).
nlohmann::json to_json(const HostOptions& options);
HostOptions host_options_from_json(const nlohmann::json& document);

/// What runs in a container: docker's Config, the part that an image states and a commit keeps.
struct ContainerConfig {
  std::string hostname;
  std::string user;
  std::string working_dir;
  std::vector<std::string> env;  ///< "K=V"
  std::vector<std::string> entrypoint;
  std::vector<std::string> cmd;
  std::map<std::string, std::string> labels;
  std::vector<std::string> volumes;  ///< anonymous volumes' paths
  std::string stop_signal;           ///< as given; empty: SIGTERM
  std::optional<std::uint64_t> stop_timeout_s;
  bool open_stdin = false;
  bool stdin_once = false;  ///< it ends with the input of the first who is attached
  bool tty = false;         ///< it runs at a terminal of its own

  /// ENTRYPOINT followed by CMD: what is executed.
  std::vector<std::string> command_line() const;
};

nlohmann::json to_json(const ContainerConfig& config);
ContainerConfig container_config_from_json(const nlohmann::json& document);

/// What the command line says about things the image says too.
struct ConfigOverrides {
  std::string hostname;
  std::string user;
  std::string working_dir;
  std::vector<std::string> env;           ///< "K=V"
  std::optional<std::string> entrypoint;  ///< "": none, whatever the image says
  std::vector<std::string> command;       ///< after IMAGE
  std::map<std::string, std::string> labels;
  std::vector<std::string> volumes;
  std::string stop_signal;
  std::optional<std::uint64_t> stop_timeout_s;
  bool open_stdin = false;
  bool stdin_once = false;
  bool tty = false;
};

/// The image's `config` with the command line on top, combined as docker does: an entrypoint
/// drops the image's CMD; a command replaces CMD and is given to the image's ENTRYPOINT.
/// Throws Error{Invalid} "no command specified" when nothing is left to execute.
ContainerConfig merge_config(const Image& image, const ConfigOverrides& overrides);

/// Sets or replaces a variable: "K=V".
void set_environment(std::vector<std::string>& env, const std::string& variable);

/// The process environment: docker's defaults (PATH, HOSTNAME, at a terminal TERM), then
/// `config.env`, then HOME unless one of them has it.
std::vector<std::string> process_environment(const ContainerConfig& config,
                                             const std::string& home);

}  // namespace layerkit
