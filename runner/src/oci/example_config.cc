#include <unistd.h>

#include <nlohmann/json.hpp>

#include "cgroup.h"
#include "layerkit/runner/container_spec.h"
#include "layerkit/runner/documents.h"

namespace layerkit {
namespace {

using Json = nlohmann::ordered_json;

Json mount(const char* target, const char* type, const char* source, Json options) {
  Json json;
  json["destination"] = target;
  json["type"] = type;
  json["source"] = source;
  if (!options.empty()) json["options"] = std::move(options);
  return json;
}

Json process() {
  Json json;
  json["terminal"] = true;
  json["user"] = {{"uid", 0}, {"gid", 0}};
  json["args"] = {"sh"};
  json["env"] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"};
  json["cwd"] = "/";
  const Json few = {"CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"};
  for (const char* set : {"bounding", "effective", "permitted"})
    json["capabilities"][set] = few;
  json["rlimits"] = Json::array({{{"type", "RLIMIT_NOFILE"}, {"hard", 1024}, {"soft", 1024}}});
  json["noNewPrivileges"] = true;
  return json;
}

Json mounts(bool rootless) {
  Json all = Json::array();
  all.push_back(mount("/proc", "proc", "proc", {}));
  all.push_back(
      mount("/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}));
  // The group tty has no number in a user namespace of one user.
  Json pts = {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"};
  if (!rootless) pts.push_back("gid=5");
  all.push_back(mount("/dev/pts", "devpts", "devpts", pts));
  all.push_back(
      mount("/dev/shm", "tmpfs", "shm", {"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}));
  all.push_back(mount("/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}));
  if (rootless) {
    all.push_back(mount("/sys", "none", "/sys", {"rbind", "nosuid", "noexec", "nodev", "ro"}));
  } else {
    all.push_back(mount("/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", "ro"}));
    all.push_back(mount("/sys/fs/cgroup", "cgroup", "cgroup",
                        {"nosuid", "noexec", "nodev", "relatime", "ro"}));
  }
  return all;
}

Json linux_part(bool rootless) {
  Json json;
  if (rootless) {
    const auto map = [](unsigned id) {
      return Json::array({{{"containerID", 0}, {"hostID", id}, {"size", 1}}});
    };
    json["uidMappings"] = map(::geteuid());
    json["gidMappings"] = map(::getegid());
  } else {
    json["resources"]["devices"] = Json::array({{{"allow", false}, {"access", "rwm"}}});
  }
  Json& namespaces = json["namespaces"];
  for (const char* type : {"pid", "network", "ipc", "uts", "mount", "cgroup", "user"}) {
    const std::string_view name = type;
    if ((name == "network" && rootless) || (name == "user" && !rootless)) continue;
    // Tools of cgroup v1 look for the paths that the host has.
    if (name == "cgroup" && !runner::read_cgroup_layout().v1.empty()) continue;
    namespaces.push_back({{"type", type}});
  }
  json["maskedPaths"] = default_masked_paths();
  json["readonlyPaths"] = default_read_only_paths();
  return json;
}

}  // namespace

std::string example_config(bool rootless) {
  Json config;
  config["ociVersion"] = "1.2.0";
  config["process"] = process();
  config["root"] = {{"path", "rootfs"}, {"readonly", true}};
  config["hostname"] = "runner";
  config["mounts"] = mounts(rootless);
  config["linux"] = linux_part(rootless);
  return config.dump(4) + "\n";
}

}  // namespace layerkit
