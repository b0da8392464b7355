#include "overlay_plan.h"

#include <fmt/core.h>

#include <algorithm>
#include <string>

#include "layerkit/base/error.h"

namespace layerkit {
namespace {

void check_lower_count(const OverlayPlan& plan) {
  if (plan.lowers.size() > kMaxOverlayLowers)
    fail(Errc::Limit, "the union has {} read-only branches, overlayfs takes at most {}",
         plan.lowers.size(), kMaxOverlayLowers);
}

/// An upper directory written with these can be read by everybody: no file's contents, name or
/// link count depends on an xattr or on the index directory.
std::vector<OverlayOption> portable_options(OverlayXattrs xattrs) {
  std::vector<OverlayOption> options = {{"index", "off"}, {"metacopy", "off"}, {"xino", "off"}};
  if (xattrs == OverlayXattrs::User) {
    // "off" may mean "follow redirects", by a module parameter, which userxattr refuses.
    options.push_back({"redirect_dir", "nofollow"});
    options.push_back({"userxattr", ""});
  } else {
    options.push_back({"redirect_dir", "off"});
  }
  return options;
}

}  // namespace

OverlayPlan plan_overlay(const UnionSpec& spec, OverlayXattrs xattrs) {
  OverlayPlan plan;
  for (std::size_t i = 0; i < spec.branches.size(); ++i) {
    const Branch& branch = spec.branches[i];
    const OverlayLayer layer{i, branch.directory.get()};
    if (!branch.writable()) {
      plan.lowers.push_back(layer);
    } else if (i == 0) {
      plan.upper = layer;
    } else {
      fail(Errc::Unsupported, "branch {} is writable, overlayfs writes only to branch 0, the top",
           i);
    }
  }
  check_lower_count(plan);
  if (plan.upper && !spec.work)
    fail(Errc::Invalid, "the top branch is writable, but there is no work directory");
  if (plan.upper) plan.work_fd = spec.work.get();
  plan.options = portable_options(xattrs);
  if (plan.upper && spec.expendable_upper) plan.options.push_back({"volatile", ""});
  plan.attributes = attributes_of(spec);
  plan.attributes.read_only = spec.read_only || !plan.upper;
  return plan;
}

std::string overlay_mount_data(const OverlayPlan& plan, std::size_t max_bytes) {
  std::string data = "lowerdir=";
  for (std::size_t i = 0; i < plan.lowers.size(); ++i) {
    if (i > 0) data += ':';
    data += std::to_string(plan.lowers[i].fd);
  }
  if (plan.upper) data += fmt::format(",upperdir={},workdir={}", plan.upper->fd, plan.work_fd);
  for (const OverlayOption& option : plan.options) {
    data += ',' + option.key;
    if (!option.value.empty()) data += '=' + option.value;
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
