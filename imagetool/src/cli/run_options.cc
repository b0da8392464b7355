#include "cli/run_options.h"

#include <fcntl.h>

#include <cstdlib>
#include <filesystem>

#include "layerkit/base/byte_stream.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"

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
  return command.add_option(names, values, help)
      ->type_name(type)
      ->expected(1)
      ->allow_extra_args(false)  // a vector would take the positionals that follow
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

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

NetworkMode parse_network(const std::string& text) {
  if (text == "none") return NetworkMode::None;
  if (text == "host") return NetworkMode::Host;
  fail(Errc::Unsupported, "only the networks 'none' and 'host' exist");
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

void read_environment(const RunOptions& options, ConfigOverrides& config) {
  for (const auto& path : options.env_files) {
    const auto lines = parse_environment_file(read_user_file(path), path, own_variable);
    config.env.insert(config.env.end(), lines.begin(), lines.end());
  }
  for (const auto& text : options.env) {
    if (const auto variable = parse_environment(text, own_variable)) {
      config.env.push_back(*variable);
    }
  }
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
  read_optional("-c, --cpu-shares", options.cpu_shares, host.cpu_shares, parse_count);
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
  if (host.memory == 0U) host.memory.reset();
  if (host.memory_swap == 0) host.memory_swap.reset();
  if (host.cpu_shares == 0U) host.cpu_shares.reset();
  if (host.nano_cpus == 0) host.nano_cpus.reset();
  for (const auto& text : options.ulimits)
    host.ulimits.push_back(parse_ulimit(text));
}

void read_security(const RunOptions& options, HostOptions& host) {
  for (const auto& text : options.cap_add)
    host.cap_add.push_back(parse_capability(text));
  for (const auto& text : options.cap_drop)
    host.cap_drop.push_back(parse_capability(text));
  for (const auto& text : options.security) {
    if (text == "no-new-privileges" || text == "no-new-privileges=true" ||
        text == "no-new-privileges:true") {
      host.no_new_privileges = true;
    } else {
      fail(Errc::Unsupported, "invalid --security-opt {}: only no-new-privileges is known",
           layerkit::quoted(text));
    }
  }
}

void read_host_options(const RunOptions& options, HostOptions& host) {
  read_limits(options, host);
  read_security(options, host);
  for (const auto& text : options.extra_hosts)
    host.extra_hosts.push_back(parse_extra_host(text));
  for (const auto& text : options.dns)
    host.dns.push_back(parse_address(text));
  for (const auto& text : options.sysctls)
    host.sysctls.insert(parse_key_value(text, "sysctl"));
  host.network = read_value("--network", options.network, parse_network);
  host.cgroup_parent = options.cgroup_parent;
  host.read_only_rootfs = options.read_only;
  host.auto_remove = options.remove;
}

void read_config(const RunOptions& options, ConfigOverrides& config) {
  read_environment(options, config);
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
  add_text(command, "-u,--user", options.user, "User and group, by name or ID", "USER[:GROUP]");
  add_text(command, "-w,--workdir", options.workdir, "Working directory", "PATH");
}

void declare_limits(CLI::App& command, RunOptions& options) {
  add_text(command, "--cgroup-parent", options.cgroup_parent, "Parent cgroup", "CGROUP");
  add_text(command, "-c,--cpu-shares", options.cpu_shares, "CPU shares (relative weight)", "N");
  add_text(command, "--cpus", options.cpus, "Number of CPUs", "N");
  add_text(command, "-m,--memory", options.memory, "Memory limit", "SIZE");
  add_text(command, "--memory-swap", options.memory_swap,
           "Limit of memory plus swap; -1 for unlimited swap", "SIZE");
  add_text(command, "--oom-score-adj", options.oom_score_adj,
           "Preference of the OOM killer, -1000 to 1000", "N");
  add_text(command, "--pids-limit", options.pids_limit, "Limit of processes; -1: none", "N");
  add_list(command, "--ulimit", options.ulimits, "Ulimit options", "NAME=SOFT[:HARD]");
}

void declare_environment(CLI::App& command, RunOptions& options) {
  add_list(command, "--add-host", options.extra_hosts, "Add a line to /etc/hosts", "HOST:IP");
  add_list(command, "--cap-add", options.cap_add, "Add Linux capabilities", "CAPABILITY");
  add_list(command, "--cap-drop", options.cap_drop, "Drop Linux capabilities", "CAPABILITY");
  add_list(command, "--dns", options.dns, "Set name servers", "IP");
  add_text(command, "--network,--net", options.network,
           "Network of the container: only loopback (default), or the host's", "none|host");
  command.add_flag("--read-only", options.read_only,
                   "Mount the container's root filesystem as read only");
  add_list(command, "--security-opt", options.security, "Security options: no-new-privileges",
           "OPTION");
  add_list(command, "--sysctl", options.sysctls, "Sysctl options", "NAME=VALUE");
  add_list(command, "--tmpfs", options.tmpfs, "Mount a tmpfs directory", "DIR[:OPTIONS]");
  add_list(command, "-v,--volume", options.volumes,
           "Bind a directory or file of the host, or make an anonymous volume",
           "[SRC:]DST[:ro|rw]");
}

}  // namespace

void declare_run_options(CLI::App& command, RunOptions& options) {
  declare_process_options(command, options);
  declare_limits(command, options);
  declare_environment(command, options);
  add_text(command, "--cidfile", options.cidfile, "Write the container ID to the file", "FILE");
  command.add_flag("-d,--detach", options.detach, "Run in the background and print the ID");
  command.add_flag("--rm", options.remove, "Remove the container when it exits");
  command.add_flag("--sig-proxy", options.proxy_signals,
                   "Pass received signals on (default); --sig-proxy=false ignores them");
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
