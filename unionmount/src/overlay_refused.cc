#include <cerrno>
#include <map>
#include <utility>

#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "overlay_mount.h"

namespace layerkit {
namespace {

/// The kernel reports it as ELOOP, without saying which.
void fail_if_branch_repeats(const OverlayPlan& plan) {
  std::vector<OverlayLayer> layers = plan.lowers;
  if (plan.upper) layers.insert(layers.begin(), *plan.upper);
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::size_t> seen;
  for (const OverlayLayer& layer : layers) {
    const FileStat stat = stat_fd(layer.fd);
    const auto [first, is_new] = seen.try_emplace({stat.dev, stat.ino}, layer.branch);
    if (!is_new)
      fail(Errc::Invalid, "branches {} and {} are the same directory", first->second, layer.branch);
  }
}

void fail_if_work_is_elsewhere(const OverlayPlan& plan) {
  if (!plan.upper) return;
  if (stat_fd(plan.upper->fd).dev != stat_fd(plan.work_fd).dev)
    fail(Errc::Invalid, "the work directory is not on the file system of branch {}",
         plan.upper->branch);
  if (mount_id(plan.upper->fd) != mount_id(plan.work_fd))
    fail(Errc::Invalid, "the work directory and branch {} lie below different mounts",
         plan.upper->branch);
}

/// mount(2) says only in the log which option it was: of its parser, or before Linux 6.5 of its
/// own.
void fail_if_option_is_unknown(const OverlayPlan& plan, const std::string& kernel_says) {
  const auto says = [&](const std::string& text) {
    return kernel_says.find(text) != std::string::npos;
  };
  for (const OverlayOption& option : plan.options) {
    if (option.need == OptionNeed::WhereKnown) continue;  // it was not said
    const std::string text = option_text(option);
    if (says("Unknown parameter '" + option.key + "'") ||
        says("Bad value for '" + option.key + "'") ||
        says("unrecognized mount option \"" + text + "\""))
      fail_option_unknown(text, kernel_says);
  }
}

/// A kernel that knows none takes their "::" for a directory without a name. Newer ones took them
/// at first only together with metacopy.
void fail_if_data_is_unknown(const OverlayPlan& plan, const std::string& kernel_says) {
  if (plan.data_fds.empty()) return;
  if (kernel_says.find("data-only dirs require metacopy") != std::string::npos)
    fail(Errc::Unsupported, "this kernel's overlayfs takes directories of data only with metacopy");
  if (is_older_than_data_directories())
    fail(Errc::Unsupported,
         "this kernel's overlayfs takes no directories of data (Linux 6.5 and newer do)");
}

}  // namespace

void fail_option_unknown(const std::string& option, const std::string& kernel_says) {
  if (kernel_says.empty())
    fail(Errc::Unsupported, "this kernel's overlayfs does not take the option {}", option);
  fail(Errc::Unsupported, "this kernel's overlayfs does not take the option {} (it says '{}')",
       option, kernel_says);
}

void fail_overlay_refused(const OverlayPlan& plan, int sys_errno, const std::string& kernel_says) {
  fail_if_work_is_elsewhere(plan);
  fail_if_branch_repeats(plan);
  fail_if_option_is_unknown(plan, kernel_says);
  if (sys_errno == ENODEV) fail(Errc::Unsupported, "this kernel has no overlayfs");
  if (sys_errno == EINVAL) fail_if_data_is_unknown(plan, kernel_says);
  if (kernel_says.empty()) fail_errno(sys_errno, "creating the file system");
  fail_errno(sys_errno, "creating the file system (the kernel says '{}')", kernel_says);
}

}  // namespace layerkit
