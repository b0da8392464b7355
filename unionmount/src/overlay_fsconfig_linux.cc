#include <fcntl.h>

#include <cerrno>

#include "kernel_log.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "overlay_mount.h"

namespace layerkit {
namespace {

[[noreturn]] void fail_setting(const FsContext& context, int err, const std::string& what) {
  const std::string log = context.take_log();
  if (log.empty()) fail_errno(err, "setting {}", what);
  fail_errno(err, "setting {} (the kernel says '{}')", what, log);
}

int set_directory(const FsContext& context, const char* key, int fd, BranchPassing passing) {
  return passing == BranchPassing::Descriptor ? context.set_fd(key, fd)
                                              : context.set_string(key, proc_fd_path(fd));
}

void set_option(const FsContext& context, const OverlayOption& option) {
  const int err = option.value.empty() ? context.set_flag(option.key)
                                       : context.set_string(option.key, option.value);
  if (err == 0) return;
  if (err != EINVAL) fail_setting(context, err, "option " + option_text(option));
  const std::string log = context.take_log();
  if (option.need == OptionNeed::Required) fail_option_unknown(option_text(option), log);
}

/// Before Linux 6.5 overlayfs has no parser of its own here: whatever is set is collected for a
/// string as mount(2) takes it, and refused only when the file system is created.
bool takes_any_option() {
  return FsContext("overlay").set_flag("layerkit-probe") == 0;
}

}  // namespace

std::optional<BranchPassing> try_branch_passing() {
  const int err = try_fsopen("overlay");
  if (err == EPERM) return std::nullopt;  // may be a seccomp filter, may be no privilege at all
  if (err != 0) return BranchPassing::MountData;
  if (takes_any_option()) return BranchPassing::MountData;
  const Fd any_directory = open_at(AT_FDCWD, "/", O_PATH | O_DIRECTORY);
  for (const BranchPassing passing : {BranchPassing::Descriptor, BranchPassing::ProcPath}) {
    const FsContext context("overlay");
    if (set_directory(context, "lowerdir+", any_directory.get(), passing) == 0) return passing;
  }
  return BranchPassing::MountData;
}

bool is_older_than_data_directories() {
  // They came with the parser, in Linux 6.5.
  return try_fsopen("overlay") == 0 && takes_any_option();
}

Fd mount_overlay_by_fsconfig(const OverlayPlan& plan, BranchPassing passing) {
  const FsContext context("overlay");
  set_option(context, {"source", "overlay"});
  for (const OverlayOption& option : plan.options)
    set_option(context, option);
  const auto set = [&](const char* key, int fd, const std::string& what) {
    const int err = set_directory(context, key, fd, passing);
    if (err != 0) fail_setting(context, err, what);
  };
  for (const OverlayLayer& lower : plan.lowers)
    set("lowerdir+", lower.fd, fmt::format("branch {}", lower.branch));
  for (std::size_t i = 0; i < plan.data_fds.size(); ++i)
    set("datadir+", plan.data_fds[i], fmt::format("data directory {}", i));
  if (plan.upper) {
    set("upperdir", plan.upper->fd, fmt::format("branch {} (writable)", plan.upper->branch));
    set("workdir", plan.work_fd, "the work directory");
  }

  const KernelLogTail kernel_log;
  const int err = context.create();
  if (err != 0) {
    const std::string log = context.take_log();
    fail_overlay_refused(plan, err, log.empty() ? kernel_log.last_with_prefix("overlayfs:") : log);
  }
  return context.mount(plan.attributes);
}

}  // namespace layerkit
