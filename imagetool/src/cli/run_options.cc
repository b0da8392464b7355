#include "cli/run_options.h"

#include <fcntl.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <initializer_list>

#include "layerkit/base/byte_stream.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/docker_seccomp_profile.h"

namespace layerkit::cli {
namespace {

/// Reads one option's value; an error says which option it was, in docker's words.
template <typename Parse>
auto read_value(const char* option, const std::string& text, Parse&& parse) {
  return with_context(
      [&] { return fmt::format("invalid argument {} for {}", layerkit::quoted(text), option); },
      [&] { return parse(text); });
}

template <typename Value, typename Parse>
void read_optional(const char* option,
                   const std::string& text,
                   std::optional<Value>& value,
                   Parse&& parse) {
  if (!text.empty()) value = read_value(option, text, parse);
}

std::int64_t parse_number(const std::string& text) {
  const bool negative = text.starts_with('-');
  const auto number = parse_decimal(std::string_view(text).substr(negative ? 1 : 0));
  if (!number || *number > INT32_MAX) fail(Errc::Invalid, "it is not a number");
  return negative ? -static_cast<std::int64_t>(*number) : static_cast<std::int64_t>(*number);
}

std::uint64_t parse_count(const std::string& text) {
  const auto number = parse_number(text);
  if (number < 0) fail(Errc::Invalid, "it is negative");
  return static_cast<std::uint64_t>(number);
}

/// What docker's own names are; all others are looked up when the container starts.
NetworkMode parse_network(const std::string& text) {
  if (text == "none") return NetworkMode::None;
  if (text == "host") return NetworkMode::Host;
  if (text.starts_with("container:"))
    fail(Errc::Unsupported, "sharing the network of another container is not supported");
  const std::string_view name = text;
  if (name.empty() || name.find_first_of("/:") != std::string_view::npos)
    fail(Errc::Invalid, "it is not the name of a network");
  return NetworkMode::Named;
}

/// As docker: one that is not given is any that is free.
void read_ports(const RunOptions& options, HostOptions& host) {
  for (const auto& text : options.ports) {
    for (auto& mapping : read_value("-p, --publish", text, parse_publish)) {
      if (mapping.host_port == 0) mapping.host_port = free_port(mapping);
      host.ports.push_back(std::move(mapping));
    }
  }
}

std::optional<std::string> own_variable(const std::string& name) {
  const char* value = std::getenv(name.c_str());  // NOLINT(concurrency-mt-unsafe): one thread
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

/// A file that the user named; may be a pipe.
std::string read_user_file(const std::string& path) {
  constexpr std::size_t kMaxBytes = 16 << 20;
  const Fd file = open_at(AT_FDCWD, path, O_RDONLY);
  FdSource source(file.get(), path);
  return read_all(source, kMaxBytes, path);
}

void read_volumes(const RunOptions& options, RunRequest& request) {
  const std::string directory = std::filesystem::current_path().string();
  for (const auto& text : options.volumes) {
    BindVolume volume = parse_volume(text, directory);
    if (volume.source.empty()) {
      request.config.volumes.push_back(volume.destination);
    } else {
      request.options.binds.push_back(std::move(volume));
    }
  }
  for (const auto& text : options.tmpfs)
    request.options.tmpfs.push_back(parse_tmpfs(text));
}

void read_limits(const RunOptions& options, HostOptions& host) {
  read_optional("-m, --memory", options.memory, host.memory, parse_size);
  read_optional("--memory-swap", options.memory_swap, host.memory_swap, [](const auto& text) {
    return text == "-1" ? std::int64_t{-1} : static_cast<std::int64_t>(parse_size(text));
  });
  read_optional("--cpus", options.cpus, host.nano_cpus, parse_nano_cpus);
  read_optional("--memory-reservation", options.memory_reservation, host.memory_reservation,
                parse_size);
  read_optional("-c, --cpu-shares", options.cpu_shares, host.cpu_shares, parse_count);
  read_optional("--cpu-period", options.cpu_period, host.cpu_period, parse_count);
  read_optional("--cpu-quota", options.cpu_quota, host.cpu_quota, parse_number);
  if (!options.cpuset_cpus.empty())
    host.cpuset_cpus = read_value("--cpuset-cpus", options.cpuset_cpus, parse_cpuset);
  if (!options.cpuset_mems.empty())
    host.cpuset_mems = read_value("--cpuset-mems", options.cpuset_mems, parse_cpuset);
  read_optional("--oom-score-adj", options.oom_score_adj, host.oom_score_adj, [](const auto& text) {
    const auto number = parse_number(text);
    if (number < -1000 || number > 1000) fail(Errc::Invalid, "it is not between -1000 and 1000");
    return static_cast<int>(number);
  });
  // 0 and less mean no limit, as docker has it; a size or share of 0 does, too.
  if (!options.pids_limit.empty()) {
    const auto limit = read_value("--pids-limit", options.pids_limit, parse_number);
    if (limit > 0) host.pids_limit = static_cast<std::uint64_t>(limit);
  }
  // Docker's -1: as the host has it.
  if (!options.memory_swappiness.empty()) {
    const auto swappiness =
        read_value("--memory-swappiness", options.memory_swappiness, parse_number);
    if (swappiness < -1)
      fail(Errc::Invalid, "Invalid value: {}, valid memory swappiness range is 0-100", swappiness);
    if (swappiness >= 0) host.memory_swappiness = static_cast<std::uint64_t>(swappiness);
  }
  host.oom_kill_disable = options.oom_kill_disable;
  if (host.memory_reservation == 0U) host.memory_reservation.reset();
  if (host.cpu_period == 0U) host.cpu_period.reset();
  if (host.cpu_quota == 0) host.cpu_quota.reset();
  if (host.memory == 0U) host.memory.reset();
  if (host.memory_swap == 0) host.memory_swap.reset();
  if (host.cpu_shares == 0U) host.cpu_shares.reset();
  if (host.nano_cpus == 0) host.nano_cpus.reset();
  for (const auto& text : options.ulimits)
    host.ulimits.push_back(parse_ulimit(text));
}

void read_device_limits(const char* option,
                        const std::vector<std::string>& texts,
                        const std::function<std::uint64_t(const std::string&)>& parse,
                        std::vector<DeviceLimit>& limits) {
  for (const auto& text : texts) {
    auto [path, value] = read_value(
        option, text, [&](const auto& limit) { return parse_device_limit(limit, parse); });
    limits.push_back({std::move(path), value});
  }
}

void read_block_io(const RunOptions& options, BlockIoOptions& block_io) {
  const auto parse_weight = [](const std::string& text) {
    const auto weight = parse_count(text);
    if (weight != 0 && (weight < 10 || weight > 1000))
      fail(Errc::Invalid, "Range of blkio weight is from 10 to 1000");
    return weight;
  };
  if (!options.blkio_weight.empty()) {
    const auto weight = read_value("--blkio-weight", options.blkio_weight, parse_weight);
    if (weight != 0) block_io.weight = static_cast<std::uint16_t>(weight);
  }
  read_device_limits("--blkio-weight-device", options.blkio_weight_devices, parse_weight,
                     block_io.weight_devices);
  read_device_limits("--device-read-bps", options.device_read_bps, parse_size, block_io.read_bps);
  read_device_limits("--device-write-bps", options.device_write_bps, parse_size,
                     block_io.write_bps);
  read_device_limits("--device-read-iops", options.device_read_iops, parse_count,
                     block_io.read_iops);
  read_device_limits("--device-write-iops", options.device_write_iops, parse_count,
                     block_io.write_iops);
}

/// The profile itself takes the place of its file's name: a record must not depend on the file.
void read_seccomp_profile(SecurityOptions& security) {
  if (security.seccomp.empty() || security.is_seccomp_unconfined()) return;
  const std::string path = security.seccomp;
  with_context([&] { return "opening seccomp profile " + layerkit::quoted(path); },
               [&] { security.seccomp = read_user_file(path); });
  // What is wrong with it is said before anything is made.
  parse_docker_seccomp_profile(security.seccomp, "seccomp profile " + layerkit::quoted(path),
                               seccomp_target(bounding_capabilities()));
}

void read_security(const RunOptions& options, HostOptions& host) {
  for (const auto& text : options.cap_add)
    host.cap_add.push_back(parse_capability(text));
  for (const auto& text : options.cap_drop)
    host.cap_drop.push_back(parse_capability(text));
  for (const auto& text : options.security)
    parse_security_option(text, host.security);
  read_seccomp_profile(host.security);
  host.privileged = options.privileged;
}

void read_devices(const RunOptions& options, HostOptions& host) {
  for (const auto& text : options.devices)
    host.devices.push_back(read_value("--device", text, parse_device_mapping));
  for (const auto& text : options.device_cgroup_rules) {
    read_value("--device-cgroup-rule", text, parse_device_rule);
    host.device_cgroup_rules.push_back(text);
  }
}

/// `words_of_private`: what asks for a namespace of the container's own.
NamespaceMode parse_mode(const std::string& text,
                         std::initializer_list<std::string_view> words_of_private) {
  if (text == "host") return NamespaceMode::Host;
  if (std::find(words_of_private.begin(), words_of_private.end(), text) != words_of_private.end())
    return NamespaceMode::Private;
  if (text.starts_with("container:"))
    fail(Errc::Unsupported, "sharing the namespace of another container is not supported");
  fail(Errc::Invalid, "only 'host' and 'private' exist");
}

void read_namespaces(const RunOptions& options, HostOptions& host) {
  const auto parse = [](const std::string& text) { return parse_mode(text, {"", "private"}); };
  host.pid = read_value("--pid", options.pid, parse);
  host.ipc = read_value("--ipc", options.ipc, parse);
  host.uts = read_value("--uts", options.uts, parse);
  host.cgroup = read_value("--cgroupns", options.cgroupns, parse);
  if (host.uts == NamespaceMode::Host && !options.hostname.empty())
    fail(Errc::Invalid, "conflicting options: hostname and the UTS mode");
  host.userns = read_value("--userns", options.userns, [](const std::string& text) {
    if (!text.empty() && text != "host") {
      fail(Errc::Unsupported,
           "only 'host' exists: the layers of a store belong to the ids of the host");
    }
    return text;
  });
  read_value("--restart", options.restart, [](const std::string& text) {
    if (text != "no" && !text.empty())
      fail(Errc::Unsupported, "only 'no' exists: no daemon is there to restart a container");
    return text;
  });
}

void read_host_options(const RunOptions& options, HostOptions& host) {
  read_limits(options, host);
  read_block_io(options, host.block_io);
  read_security(options, host);
  read_devices(options, host);
  read_namespaces(options, host);
  read_optional("--shm-size", options.shm_size, host.shm_size, parse_size);
  if (host.shm_size == 0U) host.shm_size.reset();
  host.group_add = options.group_add;
  host.init = options.init;
  for (const auto& text : options.extra_hosts)
    host.extra_hosts.push_back(parse_extra_host(text));
  for (const auto& text : options.dns)
    host.dns.push_back(parse_address(text));
  for (const auto& text : options.sysctls)
    host.sysctls.insert(parse_key_value(text, "sysctl"));
  host.network = read_value("--network", options.network, parse_network);
  if (host.network == NetworkMode::Named) host.network_name = options.network;
  read_ports(options, host);
  host.cgroup_parent = options.cgroup_parent;
  host.read_only_rootfs = options.read_only;
  host.auto_remove = options.remove;
}

void read_config(const RunOptions& options, ConfigOverrides& config) {
  config.env = read_environment(options.env_files, options.env);
  for (const auto& text : options.labels) {
    const auto [key, value] = parse_key_value(text, "label");
    config.labels[key] = value;
  }
  if (!options.hostname.empty()) config.hostname = parse_hostname(options.hostname);
  config.user = options.user;
  config.working_dir = options.workdir;
  config.entrypoint = options.entrypoint;
  config.stop_signal = options.stop_signal;
  read_optional("--stop-timeout", options.stop_timeout, config.stop_timeout_s, parse_count);
  config.open_stdin = options.interactive;
  config.stdin_once = options.interactive && !options.detach;
  config.tty = options.tty;
}

}  // namespace

std::vector<std::string> read_environment(const std::vector<std::string>& files,
                                          const std::vector<std::string>& variables) {
  std::vector<std::string> env;
  for (const auto& path : files) {
    const auto lines = parse_environment_file(read_user_file(path), path, own_variable);
    env.insert(env.end(), lines.begin(), lines.end());
  }
  for (const auto& text : variables) {
    if (const auto variable = parse_environment(text, own_variable)) env.push_back(*variable);
  }
  return env;
}

RunRequest to_request(const RunOptions& options, const std::vector<std::string>& arguments) {
  RunRequest request;
  request.image = arguments.front();
  request.name = options.name;
  request.backend = parse_backend(options.mount_backend);
  request.config.command.assign(arguments.begin() + 1, arguments.end());
  read_config(options, request.config);
  read_volumes(options, request);
  read_host_options(options, request.options);
  check_options(request.options);
  return request;
}

}  // namespace layerkit::cli
