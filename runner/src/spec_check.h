#pragma once

#include <cstdint>
#include <string>

#include "layerkit/runner/container_spec.h"

namespace layerkit::runner {

/// What a device number of the kernel has room for (linux/kdev_t.h). Calls cut off more.
inline constexpr std::uint64_t kMaxDeviceMajor = (1U << 12U) - 1;
inline constexpr std::uint64_t kMaxDeviceMinor = (1U << 20U) - 1;

/// Throws Error{Invalid} for a spec that cannot be meant: what the rest of the runner relies on.
void check_spec(const ContainerSpec& spec);

/// Throws Error{Unsupported} that names what the spec can say and the runner does not do: nothing
/// that is asked for is left out silently.
void check_supported(const ContainerSpec& spec);

/// The id names directories: [a-zA-Z0-9_+][a-zA-Z0-9_+.-]*, at most 255 bytes.
void check_process(const ProcessSpec& process);
void check_id(const std::string& id);

/// "net.ipv4.ip_forward" or "net/ipv4/ip_forward" as a path below /proc/sys (sysctl(8): the first
/// separator decides which of '.' and '/' separates).
std::string sysctl_path(const std::string& name);

}  // namespace layerkit::runner
