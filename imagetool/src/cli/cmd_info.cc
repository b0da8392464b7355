#include <fcntl.h>
#include <fmt/format.h>
#include <sys/utsname.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/listing.h"
#include "cli/output.h"
#include "layerkit/base/file.h"
#include "layerkit/imagetool/mount_backend.h"
#include "layerkit/unionmount/mounter.h"
#include "template.h"

namespace layerkit::cli {
namespace {

using nlohmann::ordered_json;

/// How overlay mounts are made here, or why they cannot be.
std::string overlay_interface() {
  try {
    return probe_overlay_interface() == OverlayInterface::Fsconfig ? "fsconfig (new mount API)"
                                                                   : "mount(2)";
  } catch (const Error& error) {
    return "unavailable: " + error.message();
  }
}

/// The unified hierarchy is known by this file at its root (kernel admin-guide/cgroup-v2.rst).
std::string cgroup_version() {
  if (stat_at(AT_FDCWD, "/sys/fs/cgroup/cgroup.controllers")) return "2";
  return stat_at(AT_FDCWD, "/sys/fs/cgroup") ? "1" : "none";
}

std::size_t container_count(const std::string& root) {
  const std::string directory = root + "/containers";
  if (!stat_at(AT_FDCWD, directory)) return 0;
  std::size_t count = 0;
  for (const DirEntry& entry : list_dir(open_dir_at(AT_FDCWD, directory).get())) {
    count += entry.name.starts_with('.') ? 0U : 1U;
  }
  return count;
}

ordered_json info_facts(Session& session) {
  utsname names{};
  if (::uname(&names) != 0) fail_errno(errno, "reading the name of this machine");
  ImageStore& store = session.store();
  const DriverInfo driver = store.layers().driver_info();
  const BackendChoice mounting = explain_backend(driver);
  return {{"RootDir", store.root()},
          {"Driver", driver_name(driver.driver)},
          {"DriverReason", driver.reason},
          {"OverlayInterface", overlay_interface()},
          {"MountBackend",
           mounting.backend == MountBackend::Auto ? "none" : backend_name(mounting.backend)},
          {"MountBackendReason", mounting.reason},
          {"Images", store.list().size()},
          {"Layers", store.layers().layers().size()},
          {"Containers", container_count(store.root())},
          {"CgroupVersion", cgroup_version()},
          {"KernelVersion", names.release},
          {"OSType", "linux"},
          {"Architecture", names.machine},
          {"ServerVersion", LAYERKIT_VERSION}};
}

void print_info(Session& session, const std::string& format) {
  static constexpr std::pair<const char*, const char*> kLines[] = {
      {"Version", "ServerVersion"},
      {"Root Dir", "RootDir"},
      {"Storage Driver", "Driver"},
      {"Storage Driver Reason", "DriverReason"},
      {"Overlay Interface", "OverlayInterface"},
      {"Mount Backend", "MountBackend"},
      {"Mount Backend Reason", "MountBackendReason"},
      {"Images", "Images"},
      {"Layers", "Layers"},
      {"Containers", "Containers"},
      {"Cgroup Version", "CgroupVersion"},
      {"Kernel Version", "KernelVersion"},
      {"OS Type", "OSType"},
      {"Architecture", "Architecture"},
  };
  const ordered_json facts = info_facts(session);
  if (!format.empty()) {
    const Template row = Template::parse(format == "json" ? "{{json .}}" : format);
    print_line(row.render(facts, Template::Strings::Escaped));
    return;
  }
  for (const auto& [label, field] : kLines) {
    const Template value = Template::parse(fmt::format("{{{{.{}}}}}", field));
    print_line(fmt::format("{}: {}", label, value.render(facts, Template::Strings::Escaped)));
  }
}

}  // namespace

void add_info(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand("info", "Display system-wide information")->group(kSystem);
  auto format = std::make_shared<std::string>();
  add_format_option(*command, *format, "-f,--format");
  command->callback([&session, format] { print_info(session, *format); });
}

}  // namespace layerkit::cli
