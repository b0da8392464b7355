#include <fcntl.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "cgroup.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/runner/container_spec.h"
#include "layerkit/runner/documents.h"
#include "oci_parts.h"
#include "seccomp/seccomp_words.h"

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
  const runner::SeccompWords words = runner::seccomp_words();
  return {{"enabled", true},
          {"actions", words.actions},
          {"operators", words.operators},
          {"archs", words.architectures},
          {"knownFlags", words.flags},
          {"supportedFlags", words.flags}};
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
