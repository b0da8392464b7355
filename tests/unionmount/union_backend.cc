#include "union_backend.h"

#include <fmt/core.h>
#include <unistd.h>

#include <utility>

#include "layerkit/unionmount/fuse_mount.h"

namespace layerkit::testing {
namespace {

Backend overlay_backend() {
  Backend backend{.name = "overlay"};
  backend.start = [](const UnionSpec& spec) {
    return StartedUnion{.mount = make_overlay_mounter()->mount(spec)};
  };
  backend.traits.links_survive_copy_up = false;
  backend.traits.counts_subdirectories = false;
  backend.traits.mapping_sees_copy_up = false;
  backend.traits.counts_links_of_unlinked_lower = false;
  backend.traits.changes_nameless_lower = false;
  backend.traits.one_device_over_file_systems = false;
  backend.traits.ignores_stray_whiteouts = false;
  backend.traits.reserves_whiteout_devices = true;
  return backend;
}

StartedUnion start_fuse(const UnionSpec& spec) {
  FuseMounterOptions options;
  options.server_command = {"/proc/self/exe", kServeArgument, fmt::format("{}", ::getpid())};
  options.access = FuseAccess::Everybody;
  options.output = ServerOutput::StandardError;
  FuseMount started = start_fuse_union(spec, options);
  return {DetachedMount(std::move(started.mount)), std::move(started.server),
          std::move(started.id)};
}

Backend fuse_backend(const char* name, WhiteoutFormat upper, WhiteoutFormat lowers) {
  Backend backend{.name = name, .start = start_fuse};
  backend.upper_whiteouts = upper;
  backend.lower_whiteouts = lowers;
  backend.is_aufs = upper == WhiteoutFormat::Aufs;
  backend.is_variant = upper != lowers;
  if (!may_mount_fuse()) backend.problem = "this process may not mount FUSE file systems";
  backend.traits.large_reader_sees_copy_up = false;
  backend.traits.shifts_ranges = false;
  backend.traits.read_only_when_no_branch_is_writable = false;
  backend.traits.passes_over_other_types = backend.is_aufs;
  backend.traits.reserves_whiteout_names = true;
  backend.traits.reserves_whiteout_devices = !backend.is_aufs;
  if (backend.is_aufs) backend.traits.name_max = 251;
  return backend;
}

Backend aufs_backend() {
  Backend backend{.name = "aufs"};
  backend.start = [](const UnionSpec& spec) {
    return StartedUnion{.mount = make_aufs_mounter()->mount(spec)};
  };
  backend.upper_whiteouts = WhiteoutFormat::Aufs;
  backend.lower_whiteouts = WhiteoutFormat::Aufs;
  backend.is_aufs = true;
  if (!kernel_has_aufs()) backend.problem = "/proc/filesystems has no aufs";
  backend.traits.mapping_sees_copy_up = false;
  backend.traits.numbers_outlast_mounts = false;
  backend.traits.counts_subdirectories = false;
  backend.traits.every_directory_is_checked = true;
  backend.traits.passes_over_other_types = true;
  backend.traits.reserves_whiteout_names = true;
  backend.traits.name_max = 242;
  return backend;
}

std::vector<UnionCase> cases_where(bool (*wanted)(const Backend&),
                                   const std::vector<Medium>& media) {
  std::vector<UnionCase> cases;
  for (const Backend& backend : all_backends()) {
    if (!wanted(backend) || !backend.problem.empty()) continue;
    for (const Medium medium : media)
      cases.push_back({&backend, medium});
  }
  return cases;
}

}  // namespace

const std::vector<Backend>& all_backends() {
  constexpr WhiteoutFormat kOverlay = WhiteoutFormat::Overlay;
  constexpr WhiteoutFormat kAufs = WhiteoutFormat::Aufs;
  static const std::vector<Backend> backends = {
      overlay_backend(),
      fuse_backend("fuse_overlay", kOverlay, kOverlay),
      fuse_backend("fuse_aufs", kAufs, kAufs),
      fuse_backend("fuse_aufs_over_overlay", kAufs, kOverlay),
      aufs_backend(),
  };
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
  return cases_where([](const Backend& backend) { return !backend.is_variant; }, media);
}

std::vector<UnionCase> whiteout_cases(const std::vector<Medium>& media) {
  return cases_where([](const Backend&) { return true; }, media);
}

std::vector<UnionCase> aufs_cases(const std::vector<Medium>& media) {
  return cases_where([](const Backend& backend) { return backend.is_aufs && !backend.is_variant; },
                     media);
}

}  // namespace layerkit::testing
