#include <sys/mount.h>

#include <algorithm>
#include <cerrno>

#include "aufs/aufs_remount.h"
#include "aufs/option_rules.h"
#include "aufs/option_text.h"
#include "kernel_log.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "passing_mount_point.h"

namespace layerkit {
namespace {

bool is_generic(std::string_view option) {
  const std::string_view key = option.substr(0, option.find('='));
  return std::ranges::any_of(generic_rules(),
                             [&](const OptionRule& rule) { return rule.key == key; });
}

}  // namespace

AufsRemount plan_aufs_remount(std::string_view present, std::string_view options) {
  const MountOptions read = parse_mount_options(fmt::format("{},{}", present, options));
  AufsRemount plan;
  plan.attributes = {.read_only = read.read_only,
                     .no_suid = read.no_suid,
                     .no_dev = read.no_dev,
                     .no_exec = read.no_exec,
                     .no_atime = read.no_atime};
  for (const std::string_view option : split_unescaped(options, ',')) {
    if (option.empty() || is_generic(option)) continue;
    plan.data += (plan.data.empty() ? "" : ",") + std::string(option);
  }
  return plan;
}

void remount_kernel_aufs(const MountInfo& mount, std::string_view options) {
  const AufsRemount plan = plan_aufs_remount(mount.options, options);
  const KernelLogTail kernel_log;
  if (::mount("none", mount.mount_point.c_str(), "aufs",
              MS_REMOUNT | mount_call_flags(plan.attributes), plan.data.c_str()) == 0)
    return;
  const int err = errno;
  const std::string log = kernel_log.last_with_prefix("aufs ");
  if (log.empty()) fail_errno(err, "remounting {}", quoted(mount.mount_point));
  fail_errno(err, "remounting {} (the kernel says '{}')", quoted(mount.mount_point), log);
}

}  // namespace layerkit
