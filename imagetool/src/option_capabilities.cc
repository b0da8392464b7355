#include <linux/capability.h>
#include <sys/prctl.h>

#include <algorithm>
#include <array>
#include <string>

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/option_values.h"

namespace layerkit {
namespace {

/// By number, capabilities(7).
constexpr std::array<std::string_view, 41> kCapabilities = {"CAP_CHOWN",
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

bool contains(const std::vector<std::string>& list, std::string_view name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

/// Everything in our own bounding set: a container cannot be given more.
std::vector<std::string> all_capabilities() {
  std::vector<std::string> names;
  for (std::size_t number = 0; number < kCapabilities.size(); ++number) {
    if (::prctl(PR_CAPBSET_READ, number, 0, 0, 0) == 1) names.emplace_back(kCapabilities[number]);
  }
  return names;
}

}  // namespace

std::string parse_capability(std::string_view text) {
  std::string name(text);
  for (char& c : name) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  if (name == "ALL") return name;
  if (name.rfind("CAP_", 0) != 0) name.insert(0, "CAP_");
  if (std::find(kCapabilities.begin(), kCapabilities.end(), name) == kCapabilities.end()) {
    fail(Errc::Invalid, "unknown capability: {}", quoted(text));
  }
  return name;
}

std::vector<std::string> effective_capabilities(const std::vector<std::string>& defaults,
                                                const std::vector<std::string>& add,
                                                const std::vector<std::string>& drop) {
  std::vector<std::string> base;
  if (contains(add, "ALL")) {
    base = all_capabilities();
  } else if (!contains(drop, "ALL")) {
    base = defaults;
  }
  std::vector<std::string> result;
  for (const auto& name : base) {
    if (!contains(drop, name)) result.push_back(name);
  }
  for (const auto& name : add) {
    if (name != "ALL" && !contains(result, name)) result.push_back(name);
  }
  return result;
}

}  // namespace layerkit
