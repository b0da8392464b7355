#include "cli/union_facts.h"

#include <algorithm>

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "layerkit/unionmount/aufs_sysfs.h"
#include "layerkit/unionmount/mount_info.h"
#include "layerkit/unionmount/union_client.h"

namespace layerkit::cli {
namespace {

/// What stands behind "si=" in the options of a kernel's AUFS.
std::string aufs_id(const MountInfo& mount) {
  constexpr std::string_view kKey = "si=";
  for (const std::string_view option : split(mount.super_options, ',')) {
    if (option.starts_with(kKey)) return std::string(option.substr(kKey.size()));
  }
  fail(Errc::Unsupported, "the aufs at {} does not say its si=", quoted(mount.mount_point));
}

UnionFacts facts_of(const UnionInfo& info) {
  return {.id = info.id,
          .type = "fuse",
          .mount_points = info.mount_points,
          .branches = info.branches,
          .settings = info.settings,
          .pid = info.pid};
}

UnionFacts facts_of_kernel_aufs(const MountInfo& mount) {
  UnionFacts facts;
  facts.id = aufs_id(mount);
  facts.type = "aufs";
  facts.mount_points = {mount.mount_point};
  facts.branches = read_aufs_branches(facts.id);
  return facts;
}

}  // namespace

std::vector<UnionFacts> all_unions() {
  std::vector<UnionFacts> unions;
  for (const UnionInfo& info : list_unions())
    unions.push_back(facts_of(info));
  for (const MountInfo& mount : read_mount_info()) {
    if (mount.type == "aufs") unions.push_back(facts_of_kernel_aufs(mount));
  }
  std::ranges::sort(unions, {}, &UnionFacts::mount_points);
  return unions;
}

UnionFacts union_at(const std::string& mount_point) {
  const auto mount = find_mount(mount_point);
  if (!mount) fail(Errc::NotFound, "{} is no mount point", quoted(mount_point));
  if (mount->type == "aufs") return facts_of_kernel_aufs(*mount);
  if (const auto info = find_union(*mount)) return facts_of(*info);
  fail(Errc::NotFound, "there is no union of yours at {}", quoted(mount_point));
}

}  // namespace layerkit::cli
