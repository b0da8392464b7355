#include <algorithm>
#include <array>
#include <string_view>

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "spec_check.h"

namespace layerkit::runner {
namespace {

struct Asked {
  bool is_asked;
  std::string_view what;
};

template <std::size_t Size>
void refuse(const std::array<Asked, Size>& all) {
  for (const Asked& each : all)
    if (each.is_asked) fail(Errc::Unsupported, "starting the container: {}", each.what);
}

void check_namespaces(const ContainerSpec& spec) {
  refuse(std::array<Asked, 1>{{{!spec.namespaces.mount.is_new(),
                                "one without a mount namespace of its own is not supported"}}});
}

void check_mounts(const std::vector<ContainerMount>& mounts) {
  for (const ContainerMount& mount : mounts) {
    if (mount.copies_up)
      fail(Errc::Unsupported, "mounting on {}: tmpcopyup is not supported", quoted(mount.target));
    if (mount.is_id_mapped || !mount.uid_mappings.empty() || !mount.gid_mappings.empty())
      fail(Errc::Unsupported, "mounting on {}: mapping owners is not supported",
           quoted(mount.target));
  }
}

void check_limits(const Resources& resources) {
  const auto& [memory, cpu, pids, io, hugepages, network, rdma, unified, devices] = resources;
  refuse(std::array<Asked, 7>{{
      {memory.reservation || memory.kernel_tcp || memory.swappiness || memory.disable_oom_killer ||
           memory.check_before_update,
       "of memory only limit and swap can be set"},
      {cpu.burst || cpu.realtime_runtime || cpu.realtime_period || cpu.idle || !cpu.cpus.empty() ||
           !cpu.mems.empty(),
       "of cpu only shares, quota and period can be set"},
      {io.weight || io.leaf_weight || !io.weight_devices.empty() || !io.read_bps.empty() ||
           !io.write_bps.empty() || !io.read_iops.empty() || !io.write_iops.empty(),
       "limits of block I/O are not supported"},
      {!hugepages.empty(), "limits of huge pages are not supported"},
      {network.class_id || !network.priorities.empty(),
       "network classes and priorities are not supported"},
      {!rdma.empty() || !unified.empty(), "limits of RDMA and unified ones are not supported"},
      {!devices.empty(), "rules for devices are not supported"},
  }});
}

}  // namespace

void check_supported(const ContainerSpec& spec) {
  check_namespaces(spec);
  check_mounts(spec.mounts);
  check_limits(spec.resources);
  const ProcessSpec& process = spec.process;
  refuse(std::array<Asked, 2>{{
      {!process.apparmor_profile.empty(), "AppArmor is not supported"},
      {!process.selinux_label.empty() || !spec.mount_label.empty(), "SELinux is not supported"},
  }});
}

}  // namespace layerkit::runner
