#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "layerkit/unionmount/detached_mount.h"
#include "layerkit/unionmount/union_spec.h"

namespace layerkit {

/// Something that can mount a union. Thread-safe.
class Mounter {
 public:
  Mounter() = default;
  Mounter(const Mounter&) = delete;
  Mounter& operator=(const Mounter&) = delete;
  virtual ~Mounter() = default;

  /// "overlay", "aufs", ...
  virtual std::string_view name() const noexcept = 0;
  /// Mounts the union, detached. Throws Error{Unsupported} for a spec the backend cannot do,
  /// Error{Limit} for too many branches, and names the branch (by its place) that was refused.
  virtual DetachedMount mount(const UnionSpec& spec) const = 0;
};

/// Which kernel interface carried a mount; tests force one, users get Automatic.
enum class OverlayInterface {
  Automatic,  ///< the best that a probe, done once per process, found
  Fsconfig,   ///< fsopen with one "lowerdir+" per branch: 500 lowers, any path
  MountCall,  ///< mount(2) with /proc/self/fd/N: as many lowers as fit a page
};

/// Kernel overlayfs, by default with a deliberate, portable set of options (OverlaySettings), so
/// that an upper directory can be read by others; `userxattr` in a user namespace.
/// A union of one branch becomes a bind mount (read-only unless the branch is writable), as
/// overlayfs refuses it. Without a writable branch the mount is read-only in any case. A branch is
/// only the directory's own file system: what is mounted below it is not seen.
std::unique_ptr<Mounter> make_overlay_mounter(
    OverlayInterface interface = OverlayInterface::Automatic);

/// Which interface Automatic resolves to on this machine.
OverlayInterface probe_overlay_interface();

/// The AUFS of the kernel, for unions of WhiteoutFormat::Aufs; any branch may be writable. Throws
/// Error{Unsupported} where the kernel has none, Error{Limit} above the number of branches it was
/// built for (127 mostly). Without a writable branch the mount is read-only in any case.
std::unique_ptr<Mounter> make_aufs_mounter();

/// Whether /proc/filesystems lists aufs; a module that is not loaded does not count.
bool kernel_has_aufs();

/// Whether users other than the one who mounted may enter a FUSE union (fuse(8), "allow_other").
enum class FuseAccess { Owner, Everybody };

/// Where the server of a FUSE union writes what it has to say.
enum class ServerOutput { Nowhere, StandardError };

struct FuseMounterOptions {
  /// The program that serves, by path, and its arguments up to those that this library adds; it
  /// calls serve_union_from_arguments (union_server.h).
  std::vector<std::string> server_command;
  FuseAccess access = FuseAccess::Owner;
  ServerOutput output = ServerOutput::Nowhere;
  std::string source = "none";   ///< what the mount table shows as the device
  std::string subtype = "aufs";  ///< the type is shown as "fuse.SUBTYPE"
  std::string id = {};           ///< "si": hex digits; empty, or taken: a random one
};

/// A union with AUFS semantics by FUSE. Each mount has a server process of its own, which outlives
/// the caller and ends with the mount; mount() throws the server's error when it does not start.
/// Throws Error{Io} with EPERM or EACCES where the caller may not mount FUSE file systems itself
/// (start_fuse_union_at can, by fusermount3).
std::unique_ptr<Mounter> make_fuse_mounter(FuseMounterOptions options);

}  // namespace layerkit
