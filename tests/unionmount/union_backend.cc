#include "union_backend.h"

#include <utility>

namespace layerkit::testing {
namespace {

Backend overlay_backend() {
  Backend backend{.name = "overlay", .make_mounter = [] { return make_overlay_mounter(); }};
  backend.traits.links_survive_copy_up = false;
  backend.traits.mapping_sees_copy_up = false;
  backend.traits.counts_links_of_unlinked_lower = false;
  backend.traits.changes_nameless_lower = false;
  backend.traits.one_device_over_file_systems = false;
  backend.traits.ignores_stray_whiteouts = false;
  backend.traits.reserves_whiteout_devices = true;
  return backend;
}

std::vector<UnionCase> cases_where(bool (*wanted)(const Backend&),
                                   const std::vector<Medium>& media) {
  std::vector<UnionCase> cases;
  for (const Backend& backend : all_backends()) {
    if (!wanted(backend) || !backend.find_problem().empty()) continue;
    for (const Medium medium : media)
      cases.push_back({&backend, medium});
  }
  return cases;
}

}  // namespace

const std::vector<Backend>& all_backends() {
  static const std::vector<Backend> backends = {overlay_backend()};
  return backends;
}

std::string name_of(const UnionCase& run) {
  switch (run.medium) {
    case Medium::Memory:
      return run.backend->name;
    case Medium::Disk:
      return run.backend->name + "_disk";
    case Medium::Mixed:
      return run.backend->name + "_mixed";
  }
  return run.backend->name;
}

std::vector<UnionCase> union_cases(const std::vector<Medium>& media) {
  return cases_where([](const Backend&) { return true; }, media);
}

std::vector<UnionCase> aufs_cases(const std::vector<Medium>& media) {
  return cases_where([](const Backend& backend) { return backend.is_aufs; }, media);
}

}  // namespace layerkit::testing
