#include "oci_fuzz_plan.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "layerkit/base/file.h"
#include "oci_fuzz_require.h"
#include "plan.h"

namespace layerkit::testing {
namespace {

using namespace runner;  // NOLINT(google-build-using-namespace)

constexpr std::size_t kMostBinds = 2;

/// Everywhere and nowhere.
class NoCgroup final : public Cgroup {
 public:
  std::vector<int> join_files() const override { return {}; }
  int clone_directory() const noexcept override { return -1; }
  std::vector<CgroupView> views() const override { return {}; }
  std::vector<std::string> directories() const override { return {}; }
  bool filters_devices() const noexcept override { return true; }
  void apply(const Resources& /*resources*/) override {}
  CgroupStats stats() const override { return {}; }
  bool out_of_memory() const noexcept override { return false; }
  void freeze() override {}
  void thaw() override {}
  bool frozen() const override { return false; }
  std::vector<pid_t> processes() const override { return {}; }
  void signal_all(int /*signal_number*/) override {}
  void keep() noexcept override {}
  bool remove() noexcept override { return true; }
};

/// A tmpfs that is mounted nowhere; unset where the caller may not have one.
const Fd& detached_tmpfs() {
  static const Fd mount = [] {
    const Fd context(::fsopen("tmpfs", FSOPEN_CLOEXEC));
    if (!context || ::fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0)
      return Fd();
    return Fd(::fsmount(context.get(), FSMOUNT_CLOEXEC, 0));
  }();
  return mount;
}

Fd null_device() {
  return open_at(AT_FDCWD, "/dev/null", O_RDWR);
}

void keep_from_host(ContainerSpec& spec) {
  Namespaces& all = spec.namespaces;
  for (Namespace* each : {&all.mount, &all.pid, &all.uts, &all.ipc, &all.network, &all.cgroup,
                          &all.user, &all.time}) {
    if (!each->is_joined()) continue;
    each->from = Namespace::From::New;
    each->path.clear();
  }
  std::size_t binds = 0;
  std::erase_if(spec.mounts, [&](const ContainerMount& mount) {
    return mount.type == "bind" && ++binds > kMostBinds;
  });
  for (ContainerMount& mount : spec.mounts)
    mount.is_id_mapped = false;
  if (!all.user.is_new()) return;
  // With a user namespace these would be the host's: devices, and sysfs of its network.
  std::erase_if(spec.devices, [](const ContainerDevice& device) { return device.type != 'p'; });
  all.network.from = Namespace::From::New;
}

bool is_inside(std::string_view path) {
  return !path.empty() && path.front() != '/' && !path.starts_with("../") && path != ".." &&
         path.find("/../") == std::string_view::npos && !path.ends_with("/..");
}

void require_words(const char* const* words, std::size_t count, std::string_view what) {
  for (std::size_t i = 0; i < count; ++i)
    require(words[i] != nullptr, what);
  require(words[count] == nullptr, what);
}

void require_process(const Plan& plan) {
  const ChildPlan& flat = plan.flat();
  const ProcessSpec& process = plan.spec().process;
  // What the stub wants for itself, then what may be executed and with which arguments.
  std::size_t words = 0;
  while (flat.stub_argv[words] != nullptr)
    ++words;
  const std::size_t own = process.args.size() + plan.candidates().size();
  require(words > own, "arguments of the plan were lost");
  for (std::size_t i = 0; i < process.args.size(); ++i)
    require(flat.stub_argv[words - process.args.size() + i] == process.args[i],
            "an argument of the plan is another");
  require_words(flat.envp, process.env.size(), "the variables of the plan have another end");
  std::set<std::string_view> names;
  for (const std::string& variable : process.env)
    require(names.insert(std::string_view(variable).substr(0, variable.find('='))).second,
            "a variable is there twice");
  for (const std::string& candidate : plan.candidates())
    require(!candidate.empty(), "a program has no name");
  require(flat.uid == process.uid && flat.gid == process.gid &&
              flat.groups.size() == process.additional_gids.size() &&
              flat.rlimits.size() == process.rlimits.size(),
          "the plan has another user");
  require((flat.ambient & ~(flat.permitted & flat.inheritable)) == 0,
          "the plan has a capability too many");
  require(flat.cwd != nullptr && *flat.cwd != '/' && *flat.cwd != '\0',
          "the working directory of the plan is the host's");
  require(std::is_sorted(flat.keep.begin(), flat.keep.end()) &&
              std::none_of(flat.keep.begin(), flat.keep.end(), [](int fd) { return fd < 3; }),
          "the descriptors of the plan are in no order");
}

void require_tree(const Plan& plan) {
  const ChildPlan& flat = plan.flat();
  require(flat.mounts.size() == plan.mount_names().size() &&
              flat.mount_fds.size() == flat.mounts.size() &&
              flat.devices.size() == plan.device_names().size() &&
              flat.sysctls.size() == plan.sysctl_names().size(),
          "the plan has things without names");
  for (const PlannedMount& mount : flat.mounts) {
    require(is_inside(mount.target), "a mount leads out of the root");
    require((mount.filesystem != nullptr) + (mount.tree >= 0) + (mount.link != nullptr) == 1,
            "a mount is planned in no way, or two");
    require(mount.options.empty() == (mount.filesystem == nullptr), "a mount has others' options");
  }
  for (const PlannedDevice& device : flat.devices)
    require(is_inside(device.path), "a device leads out of the root");
  for (const PlannedSysctl& sysctl : flat.sysctls)
    require(std::string_view(sysctl.path).starts_with("sys/") && is_inside(sysctl.path),
            "a sysctl leads out of /proc/sys");
  for (const auto& paths : {flat.masked_paths, flat.read_only_paths})
    for (const char* path : paths)
      require(*path != '/' && *path != '\0', "a path of the plan is the host's");
  for (const PlannedLink& link : flat.links)
    require(link.mount < flat.mounts.size(), "a link is in no mount");
}

}  // namespace

void open_harmless_sources(ContainerSpec& spec) {
  for (ContainerMount& mount : spec.mounts) {
    if (mount.type != "bind") continue;
    const bool is_file = mount.source.size() % 2 == 0;
    if (is_file || !detached_tmpfs()) {
      mount.source_fd = open_at(AT_FDCWD, "/dev/null", O_PATH);
    } else {
      mount.source_fd = detached_tmpfs().duplicate();
    }
  }
}

void plan_container(ContainerSpec spec, SeccompFilter filter) {
  if (!detached_tmpfs()) return;
  keep_from_host(spec);
  LaunchOptions options;
  options.rootfs_place = "/place";
  options.hook_state = null_device();
  options.hook_output = null_device();
  const NoCgroup cgroup;
  const Plan plan(std::move(spec), detached_tmpfs().duplicate(), null_device(), cgroup,
                  std::move(options), std::move(filter));
  require_process(plan);
  require_tree(plan);
}

void plan_process(ProcessSpec process) {
  ContainerSpec spec;
  spec.id = "fuzz";
  spec.process = std::move(process);
  ContainerInit init;
  init.pid = ::getpid();
  const Plan plan(std::move(spec), init, null_device(), nullptr, LaunchOptions(), SeccompFilter());
  require_process(plan);
}

}  // namespace layerkit::testing
