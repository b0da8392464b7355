#include <fcntl.h>
#include <sys/mount.h>

#include <cerrno>

#include "aufs_plan.h"
#include "kernel_log.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/unionmount/mounter.h"
#include "layerkit/unionmount/open_branches.h"
#include "passing_mount_point.h"

namespace layerkit {
namespace {

[[noreturn]] void fail_refused(const UnionSpec& spec, int sys_errno, const std::string& log) {
  if (sys_errno == ENODEV) fail(Errc::Unsupported, "this kernel has no aufs");
  if (sys_errno == ENOSPC)
    fail(Errc::Limit, "this kernel's aufs takes fewer branches (CONFIG_AUFS_BRANCH_MAX)");
  if (log.empty()) fail_errno(sys_errno, "creating the file system");
  if (const std::optional<std::size_t> branch = branch_named_in(log, spec))
    fail_errno(sys_errno, "adding branch {} (the kernel says '{}')", *branch, log);
  fail_errno(sys_errno, "creating the file system (the kernel says '{}')", log);
}

/// AUFS came to fsopen(2) late and reads nothing there that mount(2) cannot give it. What does not
/// fit a page is added to the mount while nobody can see it.
Fd mount_aufs(const UnionSpec& spec, const AufsPlan& plan) {
  const PassingMountPoint place;
  const KernelLogTail kernel_log;
  const unsigned long flags = mount_call_flags(plan.attributes);
  const auto call = [&](unsigned long more_flags, const std::string& data) {
    if (::mount("none", place.path().c_str(), "aufs", flags | more_flags, data.c_str()) == 0)
      return;
    const int err = errno;
    fail_refused(spec, err, kernel_log.last_with_prefix("aufs "));
  };
  call(0, plan.mount_data);
  for (const std::string& data : plan.remount_data)
    call(MS_REMOUNT, data);
  return place.clone(plan.attributes);
}

class AufsMounter final : public Mounter {
 public:
  std::string_view name() const noexcept override { return "aufs"; }

  DetachedMount mount(const UnionSpec& spec) const override {
    return with_context(
        [&] { return fmt::format("mounting a union of {} branches", spec.branches.size()); },
        [&] {
          if (!kernel_has_aufs()) fail(Errc::Unsupported, "this kernel has no aufs");
          const AufsPlan plan = plan_aufs(spec, max_mount_data());
          check_branches(spec.branches);  // the kernel says less
          return DetachedMount(mount_aufs(spec, plan));
        });
  }
};

}  // namespace

bool kernel_has_aufs() {
  constexpr std::size_t kMaxListBytes = 1 << 16;
  return lists_file_system(read_file_at(AT_FDCWD, "/proc/filesystems", kMaxListBytes), "aufs");
}

std::unique_ptr<Mounter> make_aufs_mounter() {
  return std::make_unique<AufsMounter>();
}

}  // namespace layerkit
