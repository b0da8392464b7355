#include "layerkit/imagetool/mount_backend.h"

#include <array>
#include <optional>
#include <utility>

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "layerkit/unionmount/fuse_mount.h"
#include "layerkit/unionmount/mounter.h"

namespace layerkit {
namespace {

constexpr std::array<std::pair<MountBackend, std::string_view>, 4> kNames = {
    {{MountBackend::Auto, "auto"},
     {MountBackend::Overlay, "overlay"},
     {MountBackend::Aufs, "aufs"},
     {MountBackend::Fuse, "fuse"}}};

/// The backend in the kernel that reads the whiteouts of the driver.
MountBackend kernel_backend(StoreDriver driver) noexcept {
  return driver == StoreDriver::Aufs ? MountBackend::Aufs : MountBackend::Overlay;
}

UnionSpec make_spec(StoreDriver driver, LayerMount layers, MountPower power) {
  UnionSpec spec;
  spec.whiteouts = driver == StoreDriver::Aufs ? WhiteoutFormat::Aufs : WhiteoutFormat::Overlay;
  spec.read_only = !layers.upper;
  spec.no_suid = spec.no_dev = power == MountPower::NoSuidNoDev;
  if (layers.upper) {
    spec.branches.push_back({std::move(layers.upper), BranchAccess::ReadWrite});
  }
  for (Fd& lower : layers.lower) {
    Branch branch;
    branch.directory = std::move(lower);
    branch.attributes.whiteouts = spec.whiteouts == WhiteoutFormat::Aufs;
    spec.branches.push_back(std::move(branch));
  }
  spec.work = std::move(layers.work);
  return spec;
}

/// Layers never change, so nobody looks for that; as in overlayfs the mode of a directory is the
/// topmost one's.
void adapt_to(MountBackend backend, UnionSpec& spec) {
  const bool is_fuse = backend == MountBackend::Fuse;
  for (Branch& branch : spec.branches) {
    // Kernel AUFS gets what Docker gave it.
    if (!branch.writable())
      branch.access = is_fuse ? BranchAccess::RealReadOnly : BranchAccess::ReadOnly;
  }
  spec.aufs = AufsSettings();
  spec.aufs.udba = Udba::None;
  spec.aufs.top_permission_only = true;
  if (backend != MountBackend::Aufs) return;
  // The kernel's go with the mount: what it showed by them would not be in a commit.
  spec.aufs.pseudo_links = false;
  // As Docker: the store's file system may be one that cannot hold it.
  spec.aufs.inode_table_path = "/dev/shm/aufs.xino";
}

MountedLayers mount_by_fuse(const UnionSpec& spec) {
  FuseMounterOptions options;
  // Whatever became of the file since, it is this program.
  options.server_command = {"/proc/self/exe", std::string(kServeUnionVerb)};
  options.access = FuseAccess::Everybody;
  FuseMount mounted = start_fuse_union(spec, options);
  return {DetachedMount(std::move(mounted.mount)), MountBackend::Fuse, std::move(mounted.server)};
}

MountedLayers mount_by(MountBackend backend, UnionSpec& spec) {
  adapt_to(backend, spec);
  // An image without layers is the same with all of them: an empty directory.
  if (backend == MountBackend::Fuse && !spec.branches.empty()) return mount_by_fuse(spec);
  const auto mounter = backend == MountBackend::Aufs ? make_aufs_mounter() : make_overlay_mounter();
  return {mounter->mount(spec), backend, Fd()};
}

MountedLayers mount_by_any(StoreDriver driver, UnionSpec& spec) {
  try {
    return mount_by(kernel_backend(driver), spec);
  } catch (const Error& by_kernel) {
    // Then it could, but must not now.
    if (by_kernel.code() == Errc::Busy) throw;
    try {
      return mount_by(MountBackend::Fuse, spec);
    } catch (const Error& by_fuse) {
      throw Error(by_kernel.code(), by_kernel.sys_errno(),
                  fmt::format("{}; {}", by_kernel.message(), by_fuse.message()));
    }
  }
}

/// Why this process cannot make FUSE mounts, or nothing.
std::optional<std::string> fuse_problem() {
  if (may_mount_fuse()) return std::nullopt;
  return "this process may not make FUSE mounts, or there is no /dev/fuse";
}

BackendChoice explain_fuse(const std::string& kernel_problem) {
  const auto problem = fuse_problem();
  if (!problem) return {MountBackend::Fuse, kernel_problem};
  return {MountBackend::Auto, kernel_problem + "; " + *problem};
}

void require_fit(StoreDriver driver, MountBackend backend) {
  const MountBackend in_kernel = kernel_backend(driver);
  if (backend == MountBackend::Auto || backend == MountBackend::Fuse || backend == in_kernel)
    return;
  fail(Errc::Unsupported,
       "mounting by {}: layers of the storage driver {} are mounted by {} or fuse",
       backend_name(backend), driver_name(driver), backend_name(in_kernel));
}

}  // namespace

std::string_view backend_name(MountBackend backend) noexcept {
  for (const auto& [known, name] : kNames) {
    if (known == backend) return name;
  }
  return "";
}

MountBackend parse_backend(std::string_view name) {
  for (const auto& [backend, known] : kNames) {
    if (known == name) return backend;
  }
  fail(Errc::Invalid, "{} is not a mount backend: there are auto, overlay, aufs and fuse",
       quoted(name));
}

MountedLayers mount_layers(const Store& store,
                           LayerMount layers,
                           const LayersMountRequest& request) {
  require_fit(store.driver(), request.backend);
  UnionSpec spec = make_spec(store.driver(), std::move(layers), request.power);
  if (request.backend == MountBackend::Auto) return mount_by_any(store.driver(), spec);
  return mount_by(request.backend, spec);
}

void require_mountable(const Store& store, MountBackend backend) {
  require_fit(store.driver(), backend);
  const bool wants_aufs = backend == MountBackend::Aufs ||
                          (backend == MountBackend::Auto && store.driver() == StoreDriver::Aufs);
  const bool lacks_aufs = wants_aufs && !kernel_has_aufs();
  if (backend == MountBackend::Aufs && lacks_aufs)
    fail(Errc::Unsupported, "mounting by aufs: this kernel has no AUFS");
  if (backend != MountBackend::Fuse && !lacks_aufs) return;
  const auto problem = fuse_problem();
  if (!problem) return;
  fail(Errc::Unsupported, "mounting by {}: {}{}", lacks_aufs ? "aufs or fuse" : "fuse",
       lacks_aufs ? "this kernel has no AUFS, and " : "", *problem);
}

BackendChoice explain_backend(const DriverInfo& driver) {
  if (driver.driver == StoreDriver::Aufs) {
    if (kernel_has_aufs()) return {MountBackend::Aufs, "the kernel has AUFS"};
    return explain_fuse("the kernel has no AUFS");
  }
  if (!driver.overlay_problem) return {MountBackend::Overlay, "the kernel's overlayfs mounts here"};
  return explain_fuse("the kernel's overlayfs does not mount here: " + *driver.overlay_problem);
}

}  // namespace layerkit
