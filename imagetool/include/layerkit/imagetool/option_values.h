#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "layerkit/base/signal_name.h"
#include "layerkit/base/size_text.h"
#include "layerkit/runner/container_spec.h"

namespace layerkit {

// The values of docker's command line options, each read as docker reads it. All throw
// Error{Invalid} that quotes the text; none touches the system unless it says so.

/// "name=soft[:hard]", -1 for unlimited: "nofile=1024:2048".
Rlimit parse_ulimit(std::string_view text);
/// "nofile" for RLIMIT_NOFILE; REQUIRES: a resource that parse_ulimit gives.
std::string_view ulimit_name(int resource);

/// "net_admin" or "CAP_NET_ADMIN" as "CAP_NET_ADMIN"; "ALL" in any case as "ALL".
std::string parse_capability(std::string_view text);
/// Docker's rule: `defaults` without `drop`, with `add`; "ALL" means what this process may give.
std::vector<std::string> effective_capabilities(const std::vector<std::string>& defaults,
                                                const std::vector<std::string>& add,
                                                const std::vector<std::string>& drop);

using EnvironmentLookup = std::function<std::optional<std::string>(const std::string&)>;
/// "K=V" as it is; "K" with its value from `lookup`, nullopt when it has none there.
std::optional<std::string> parse_environment(std::string_view text,
                                             const EnvironmentLookup& lookup);
/// The lines of an environment file: "K=V" or "K", '#' starts a comment line. `file` names it in
/// errors.
std::vector<std::string> parse_environment_file(std::string_view contents,
                                                std::string_view file,
                                                const EnvironmentLookup& lookup);

enum class MountAccess { ReadWrite, ReadOnly };

/// A directory or file of the host, bound into the container.
struct BindVolume {
  std::string source;       ///< absolute
  std::string destination;  ///< absolute, canonical
  MountAccess access = MountAccess::ReadWrite;
  /// "SRC:DST" or "SRC:DST:ro".
  std::string str() const;
  bool operator==(const BindVolume&) const = default;
};

/// What one -v asks for: a bind, or an anonymous volume (`source` empty).
/// Named volumes are Error{Unsupported}. A source that starts with '.' is taken relative to
/// `current_directory`.
BindVolume parse_volume(std::string_view text, const std::string& current_directory);

struct TmpfsMount {
  std::string destination;  ///< absolute, canonical
  std::string options;      ///< as the user gave them
  bool operator==(const TmpfsMount&) const = default;
};
/// "DIR" or "DIR:OPTIONS".
TmpfsMount parse_tmpfs(std::string_view text);
/// Docker's tmpfs: nosuid, nodev, noexec unless the options say otherwise.
ContainerMount tmpfs_mount(const TmpfsMount& tmpfs);

/// A device node of the host for a container.
struct DeviceMapping {
  std::string host;       ///< absolute
  std::string container;  ///< absolute, canonical
  std::string access;     ///< of "rwm"
  bool operator==(const DeviceMapping&) const = default;
};
/// "HOST", "HOST:CONTAINER", "HOST:rwm" or "HOST:CONTAINER:rwm".
DeviceMapping parse_device_mapping(std::string_view text);
/// "TYPE MAJOR:MINOR ACCESS" as the devices cgroup has it: "c 42:* rmw".
Resources::DeviceRule parse_device_rule(std::string_view text);

/// "/dev/sda:1mb" with what reads the part behind the colon.
std::pair<std::string, std::uint64_t> parse_device_limit(
    std::string_view text, const std::function<std::uint64_t(const std::string&)>& parse);

/// A list of CPUs or memory nodes as cpuset(7) has it: "0-2,5"; returned as it is.
std::string parse_cpuset(std::string_view text);

/// A port of the host that leads to one of a container.
struct PortMapping {
  std::string host_ip;  ///< empty: every address
  std::uint16_t host_port = 0;
  std::uint16_t container_port = 0;
  std::string protocol = "tcp";  ///< "tcp", "udp", "sctp"
  bool operator==(const PortMapping&) const = default;
};
/// "[[IP:][HOST]:]CONTAINER[/PROTOCOL]", ports or ranges of equal size. A host port that is not
/// given is 0: any.
std::vector<PortMapping> parse_publish(std::string_view text);
/// A port of this host at the mapping's address that nobody has now.
std::uint16_t free_port(const PortMapping& mapping);

/// "host:ip" as docker's --add-host; returns the same text when host and address are valid.
std::string parse_extra_host(std::string_view text);
/// An IPv4 or IPv6 address.
std::string parse_address(std::string_view text);

/// A canonical absolute path inside a container; `what` names it in errors. "/" is refused.
std::string parse_mount_target(std::string_view text, std::string_view what);

/// A valid host name of at most 63 bytes: it becomes the UTS name and a line of /etc/hostname.
std::string parse_hostname(std::string_view text);

/// "key=value" split at the first '='; without one the value is empty. The key is not empty.
std::pair<std::string, std::string> parse_key_value(std::string_view text, std::string_view what);

}  // namespace layerkit
