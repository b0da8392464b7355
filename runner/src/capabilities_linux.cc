#include <linux/capability.h>
#include <sys/prctl.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "capabilities.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "layerkit/runner/container_spec.h"

namespace layerkit::runner {
namespace {

/// By number, as linux/capability.h counts.
constexpr std::array<std::string_view, 41> kNames = {"CAP_CHOWN",
                                                     "CAP_DAC_OVERRIDE",
                                                     "CAP_DAC_READ_SEARCH",
                                                     "CAP_FOWNER",
                                                     "CAP_FSETID",
                                                     "CAP_KILL",
                                                     "CAP_SETGID",
                                                     "CAP_SETUID",
                                                     "CAP_SETPCAP",
                                                     "CAP_LINUX_IMMUTABLE",
                                                     "CAP_NET_BIND_SERVICE",
                                                     "CAP_NET_BROADCAST",
                                                     "CAP_NET_ADMIN",
                                                     "CAP_NET_RAW",
                                                     "CAP_IPC_LOCK",
                                                     "CAP_IPC_OWNER",
                                                     "CAP_SYS_MODULE",
                                                     "CAP_SYS_RAWIO",
                                                     "CAP_SYS_CHROOT",
                                                     "CAP_SYS_PTRACE",
                                                     "CAP_SYS_PACCT",
                                                     "CAP_SYS_ADMIN",
                                                     "CAP_SYS_BOOT",
                                                     "CAP_SYS_NICE",
                                                     "CAP_SYS_RESOURCE",
                                                     "CAP_SYS_TIME",
                                                     "CAP_SYS_TTY_CONFIG",
                                                     "CAP_MKNOD",
                                                     "CAP_LEASE",
                                                     "CAP_AUDIT_WRITE",
                                                     "CAP_AUDIT_CONTROL",
                                                     "CAP_SETFCAP",
                                                     "CAP_MAC_OVERRIDE",
                                                     "CAP_MAC_ADMIN",
                                                     "CAP_SYSLOG",
                                                     "CAP_WAKE_ALARM",
                                                     "CAP_BLOCK_SUSPEND",
                                                     "CAP_AUDIT_READ",
                                                     "CAP_PERFMON",
                                                     "CAP_BPF",
                                                     "CAP_CHECKPOINT_RESTORE"};
static_assert(CAP_SETFCAP == 31 && CAP_AUDIT_READ == 37);

}  // namespace

CapabilitySet parse_capabilities(const std::vector<std::string>& names) {
  CapabilitySet set = 0;
  for (const std::string& name : names) {
    const auto found = std::find(kNames.begin(), kNames.end(), name);
    if (found == kNames.end()) {
      fail(Errc::Invalid, "reading capability {}: no such capability", quoted(name));
    }
    set |= CapabilitySet{1} << (found - kNames.begin());
  }
  return set;
}

std::string capability_name(unsigned number) {
  return number < kNames.size() ? std::string(kNames[number]) : std::to_string(number);
}

CapabilitySet bounding_set() {
  CapabilitySet set = 0;
  for (unsigned number = 0; number < 64; ++number) {
    const int is_there = ::prctl(PR_CAPBSET_READ, number, 0, 0, 0);
    if (is_there < 0) break;  // the kernel knows no more
    if (is_there == 1) set |= CapabilitySet{1} << number;
  }
  return set;
}

}  // namespace layerkit::runner

namespace layerkit {

std::span<const std::string_view> capability_names() noexcept {
  return runner::kNames;
}

std::vector<std::string> bounding_capabilities() {
  std::vector<std::string> names;
  const runner::CapabilitySet set = runner::bounding_set();
  for (std::size_t number = 0; number < runner::kNames.size(); ++number) {
    if ((set >> number & 1U) != 0) names.emplace_back(runner::kNames[number]);
  }
  return names;
}

}  // namespace layerkit
