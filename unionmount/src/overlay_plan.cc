#include "overlay_plan.h"

#include <fmt/core.h>

#include <algorithm>
#include <string>

#include "backend_limits.h"
#include "layerkit/base/error.h"

namespace layerkit {
namespace {

void check_lower_count(const OverlayPlan& plan) {
  const std::size_t count = plan.lowers.size() + plan.data_fds.size();
  if (count > kMaxOverlayLowers)
    fail(Errc::Limit, "the union has {} read-only branches, overlayfs takes at most {}", count,
         kMaxOverlayLowers);
}

void add_branch(const Branch& branch, std::size_t index, OverlayPlan& plan) {
  const OverlayLayer layer{index, branch.directory.get()};
  if (!branch.writable()) {
    plan.lowers.push_back(layer);
    return;
  }
  if (index != 0)
    fail(Errc::Unsupported, "branch {} is writable, overlayfs writes only to branch 0, the top",
         index);
  if (branch.id_mapping)
    fail(Errc::Unsupported, "the owners of branch 0 are mapped, but it is writable");
  plan.upper = layer;
}

}  // namespace

OverlayPlan plan_overlay(const UnionSpec& spec, OverlayXattrs xattrs) {
  fail_if_owners_are_mapped(spec, "overlayfs");
  OverlayPlan plan;
  for (std::size_t i = 0; i < spec.branches.size(); ++i)
    add_branch(spec.branches[i], i, plan);
  for (const Fd& directory : spec.data_directories)
    plan.data_fds.push_back(directory.get());
  if (!plan.data_fds.empty() && plan.lowers.empty())
    fail(Errc::Invalid, "there are directories of data, but no read-only branch above them");
  check_lower_count(plan);
  if (plan.upper && !spec.work)
    fail(Errc::Invalid, "the top branch is writable, but there is no work directory");
  if (plan.upper) plan.work_fd = spec.work.get();
  plan.options = overlay_options(spec.overlay, xattrs);
  if (plan.upper && spec.expendable_upper) plan.options.push_back({"volatile", ""});
  plan.attributes = attributes_of(spec);
  plan.attributes.read_only = spec.read_only || !plan.upper;
  return plan;
}

std::string option_text(const OverlayOption& option) {
  return option.value.empty() ? option.key : option.key + '=' + option.value;
}

std::string overlay_mount_data(const OverlayPlan& plan, std::size_t max_bytes) {
  std::string data = "lowerdir=";
  for (std::size_t i = 0; i < plan.lowers.size(); ++i) {
    if (i > 0) data += ':';
    data += std::to_string(plan.lowers[i].fd);
  }
  for (const int fd : plan.data_fds)
    data += fmt::format("::{}", fd);
  if (plan.upper) data += fmt::format(",upperdir={},workdir={}", plan.upper->fd, plan.work_fd);
  for (const OverlayOption& option : plan.options) {
    if (option.need == OptionNeed::WhereKnown) continue;
    data += ',' + option_text(option);
  }
  if (data.size() > max_bytes)
    fail(Errc::Limit,
         "the union's {} read-only branches need {} bytes of options, mount(2) takes {}",
         plan.lowers.size(), data.size(), max_bytes);
  return data;
}

OverlayXattrs usable_overlay_xattrs(std::string_view uid_map) {
  std::vector<std::string_view> fields;
  for (std::size_t at = uid_map.find_first_not_of(" \n"); at != std::string_view::npos;) {
    const std::size_t end = std::min(uid_map.find_first_of(" \n", at), uid_map.size());
    fields.push_back(uid_map.substr(at, end - at));
    at = uid_map.find_first_not_of(" \n", end);
  }
  const std::vector<std::string_view> identity = {"0", "0", "4294967295"};
  return fields == identity ? OverlayXattrs::Trusted : OverlayXattrs::User;
}

}  // namespace layerkit
