#include <fcntl.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "cgroup.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/runner/container_spec.h"
#include "layerkit/runner/documents.h"
#include "oci_parts.h"

namespace layerkit {
namespace {

using Json = nlohmann::ordered_json;

Json names(std::span<const std::string_view> all) {
  Json list = Json::array();
  for (const std::string_view name : all)
    list.push_back(name);
  return list;
}

Json seccomp_part() {
  return {
      {"enabled", true},
      {"actions",
       {"SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS",
        "SCMP_ACT_KILL_THREAD", "SCMP_ACT_LOG", "SCMP_ACT_NOTIFY", "SCMP_ACT_TRACE",
        "SCMP_ACT_TRAP"}},
      {"operators",
       {"SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_LE", "SCMP_CMP_LT",
        "SCMP_CMP_MASKED_EQ", "SCMP_CMP_NE"}},
      {"archs",
       {"SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM", "SCMP_ARCH_MIPS", "SCMP_ARCH_MIPS64",
        "SCMP_ARCH_MIPS64N32", "SCMP_ARCH_MIPSEL", "SCMP_ARCH_MIPSEL64", "SCMP_ARCH_MIPSEL64N32",
        "SCMP_ARCH_PPC", "SCMP_ARCH_PPC64", "SCMP_ARCH_PPC64LE", "SCMP_ARCH_RISCV64",
        "SCMP_ARCH_S390", "SCMP_ARCH_S390X", "SCMP_ARCH_X32", "SCMP_ARCH_X86", "SCMP_ARCH_X86_64"}},
      {"knownFlags",
       {"SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW", "SECCOMP_FILTER_FLAG_TSYNC",
        "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"}},
      {"supportedFlags",
       {"SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW", "SECCOMP_FILTER_FLAG_TSYNC",
        "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"}},
  };
}

Json cgroups() {
  return {{"v1", true}, {"v2", true}, {"systemd", false}, {"systemdUser", false}, {"rdma", true}};
}

}  // namespace

std::string runtime_features() {
  Json features;
  features["ociVersionMin"] = "1.0.0";
  features["ociVersionMax"] = "1.2.0";
  features["hooks"] = {"prestart",       "createRuntime", "createContainer",
                       "startContainer", "poststart",     "poststop"};
  features["mountOptions"] = runner::known_mount_options();
  Json& linux_part = features["linux"];
  linux_part["namespaces"] = {"cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"};
  linux_part["capabilities"] = names(capability_names());
  linux_part["cgroup"] = cgroups();
  linux_part["seccomp"] = seccomp_part();
  linux_part["apparmor"] = {{"enabled", false}};
  linux_part["selinux"] = {{"enabled", false}};
  linux_part["intelRdt"] = {{"enabled", false}};
  linux_part["mountExtensions"]["idmap"]["enabled"] = true;
  features["annotations"] = {{"io.layerkit.runner.version", LAYERKIT_VERSION}};
  features["potentiallyUnsafeConfigAnnotations"] = Json::array();
  return features.dump(2);
}

}  // namespace layerkit
