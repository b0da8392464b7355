#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "layerkit/runner/resources.h"

namespace layerkit::runner {

// Kinds of access, with the bits of bpf.h.
inline constexpr unsigned kMknod = 1;
inline constexpr unsigned kRead = 2;
inline constexpr unsigned kWrite = 4;
inline constexpr unsigned kAnyAccess = kMknod | kRead | kWrite;

/// Which devices may be used: what the devices controller of cgroup v1 keeps, a default and
/// exceptions to it.
class DeviceFilter {
 public:
  struct Key {
    std::int64_t major = -1;  ///< -1: any
    std::int64_t minor = -1;
    char type = 'c';  ///< 'b' or 'c'

    auto tie() const { return std::tie(major, minor, type); }
    bool operator<(const Key& other) const { return tie() < other.tie(); }
    bool operator==(const Key& other) const { return tie() == other.tie(); }
  };
  using Exceptions = std::map<Key, unsigned>;  ///< to the access

  /// As the kernel takes a line of devices.allow or devices.deny. Throws Error{Unsupported} for one
  /// that takes a part out of an exception: the kernel would ignore it.
  void apply(const Resources::DeviceRule& rule);

  bool allows_by_default() const noexcept { return allows_by_default_; }
  const Exceptions& exceptions() const noexcept { return exceptions_; }
  /// Their keys as they were first said: the order that devices.list shows.
  const std::vector<Key>& order() const noexcept { return order_; }
  bool allows_everything() const noexcept { return allows_by_default_ && exceptions_.empty(); }

  bool operator==(const DeviceFilter& other) const {
    return allows_by_default_ == other.allows_by_default_ && exceptions_ == other.exceptions_;
  }

 private:
  void remove(const Key& key, unsigned access);

  bool allows_by_default_ = false;
  Exceptions exceptions_;
  std::vector<Key> order_;
};

/// `rules`, then the usual devices. Throws Error for rules that make no sense.
DeviceFilter device_filter(const std::vector<Resources::DeviceRule>& rules);

/// A write to devices.allow or devices.deny.
struct DeviceWrite {
  bool allow;
  std::string line;

  bool operator==(const DeviceWrite& other) const {
    return allow == other.allow && line == other.line;
  }
};
/// What makes `now` to `wanted`, and nothing that takes away meanwhile what both allow, if it can
/// be avoided. The kernel does not tell the exceptions of what is allowed by default.
std::vector<DeviceWrite> device_writes(const DeviceFilter& now, const DeviceFilter& wanted);
/// Content of devices.list.
DeviceFilter parse_device_list(std::string_view text);

/// How a cgroup is filtered.
struct FilterMode {
  bool is_new = false;          ///< it has the rules of its parent and no cgroups inside it
  bool may_allow_less = false;  ///< what the parent does not allow is left out
};
/// v1: makes the device cgroup filter so. Returns 0 or the errno.
int filter_devices_v1(int directory, const DeviceFilter& filter, const FilterMode& mode);

/// An instruction of eBPF, as bpf(2) takes it.
struct BpfInstruction {
  std::uint8_t code = 0;
  std::uint8_t registers = 0;  ///< destination | source << 4
  std::int16_t offset = 0;
  std::int32_t immediate = 0;
};
/// A program of type BPF_PROG_TYPE_CGROUP_DEVICE.
std::vector<BpfInstruction> device_program(const DeviceFilter& filter);
/// v2: the same by a program on the cgroup, which replaces those that were there. 0 or the errno.
int filter_devices_v2(int directory, const DeviceFilter& filter, const FilterMode& mode);

/// Whether a container can do without its rules where this user may not filter devices: in a user
/// namespace, where device nodes are dead unless the host's are bound in; when they come to the
/// usual devices, which are bound in then; or when they only allow. `error`: why it may not; what
/// is no refusal is a failure like others.
bool can_go_unfiltered(const std::vector<Resources::DeviceRule>& rules, int error);

}  // namespace layerkit::runner
