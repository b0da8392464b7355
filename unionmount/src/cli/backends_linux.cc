#include <fcntl.h>
#include <poll.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <functional>

#include "cli/backends.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"
#include "layerkit/unionmount/fuse_mount.h"
#include "layerkit/unionmount/union_client.h"

namespace layerkit::cli {
namespace {

MountedUnion mount_by_kernel(const Mounter& mounter,
                             const UnionSpec& spec,
                             const MountPoint& target) {
  mounter.mount(spec).attach(target.directory.get(), target.path);
  return {.carrier = std::string(mounter.name()), .reason = {}, .server = {}};
}

MountedUnion mount_by_overlay(const UnionSpec& spec, const MountPoint& target) {
  if (spec.whiteouts != WhiteoutFormat::Overlay)
    fail(Errc::Unsupported, "overlayfs takes its branches as lowerdir=, upperdir= and workdir=");
  return mount_by_kernel(*make_overlay_mounter(), spec, target);
}

MountedUnion mount_by_aufs(const UnionSpec& spec, const MountPoint& target) {
  return mount_by_kernel(*make_aufs_mounter(), spec, target);
}

/// For those who look at the union later; it works without.
void tell_mount_point(const std::string& id, const std::string& path) {
  try {
    for (const UnionInfo& info : list_unions()) {
      if (info.id == id) UnionClient(info).tell_mount_point(path);
    }
  } catch (const Error&) {  // NOLINT(bugprone-empty-catch): unmounted already, perhaps
  }
}

MountedUnion mount_by_fuse(const FuseMounterOptions& options,
                           const UnionSpec& spec,
                           const MountPoint& target) {
  FuseMount mount;
  if (may_mount_fuse()) {
    mount = start_fuse_union(spec, options);
    DetachedMount(std::move(mount.mount)).attach(target.directory.get(), target.path);
  } else {
    mount = start_fuse_union_at(target.path, spec, options);
  }
  tell_mount_point(mount.id, target.path);
  return {.carrier = "fuse", .reason = {}, .server = std::move(mount.server)};
}

/// The kernel's own, or the reason why not.
std::optional<MountedUnion> try_kernel(const UnionSpec& spec,
                                       const MountPoint& target,
                                       std::string& reason) {
  try {
    if (spec.whiteouts == WhiteoutFormat::Overlay) return mount_by_overlay(spec, target);
    if (kernel_has_aufs()) return mount_by_aufs(spec, target);
    reason = "the kernel has no aufs";
  } catch (const Error& error) {
    if (error.code() == Errc::Interrupted) throw;
    reason = error.message();
  }
  return std::nullopt;
}

MountedUnion mount_automatically(const FuseMounterOptions& options,
                                 const UnionSpec& spec,
                                 const MountPoint& target) {
  std::string reason;
  if (auto mounted = try_kernel(spec, target, reason)) return std::move(*mounted);
  return with_context([&] { return reason; },
                      [&] {
                        MountedUnion mounted = mount_by_fuse(options, spec, target);
                        mounted.reason = reason;
                        return mounted;
                      });
}

}  // namespace

MountPoint open_mount_point(const std::string& path) {
  MountPoint target;
  target.directory = open_at(AT_FDCWD, path, O_PATH | O_DIRECTORY);
  target.path = read_link_at(AT_FDCWD, fmt::format("/proc/self/fd/{}", target.directory.get()));
  return target;
}

MountedUnion mount_by_best(const Backend& backend,
                           const UnionSpec& spec,
                           const MountPoint& target) {
  switch (backend.type) {
    case UnionType::Overlay:
      return mount_by_overlay(spec, target);
    case UnionType::Aufs:
      return mount_by_aufs(spec, target);
    case UnionType::Fuse:
      return mount_by_fuse(backend.fuse, spec, target);
    case UnionType::Automatic:
      break;
  }
  return mount_automatically(backend.fuse, spec, target);
}

void stay_until_unmounted(const Session& session,
                          const MountedUnion& mounted,
                          const MountPoint& target) {
  if (!mounted.server) return;  // the kernel needs nobody
  sigset_t ending{};
  ::sigemptyset(&ending);
  ::sigaddset(&ending, SIGINT);
  ::sigaddset(&ending, SIGTERM);
  sigset_t before{};
  // Outside of ppoll(2) no signal comes, so that none is missed.
  ::pthread_sigmask(SIG_BLOCK, &ending, &before);
  bool is_unmounted = false;
  for (;;) {
    if (session.context.interrupted->load() && !is_unmounted) {
      is_unmounted = true;
      unmount_with_help(target.path, UnmountMode::Lazy);
    }
    std::array<pollfd, 1> source{{{mounted.server.get(), POLLIN, 0}}};
    if (::ppoll(source.data(), source.size(), nullptr, &before) > 0) break;
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

}  // namespace layerkit::cli
