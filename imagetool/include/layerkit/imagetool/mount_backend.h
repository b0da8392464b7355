#pragma once

#include <string>
#include <string_view>

#include "layerkit/base/fd.h"
#include "layerkit/layerstore/store.h"
#include "layerkit/unionmount/detached_mount.h"

namespace layerkit {

/// What mounts the layers of an image or a container.
enum class MountBackend {
  Auto,     ///< the kernel's file system for the store's driver where it mounts, else FUSE
  Overlay,  ///< the kernel's overlayfs, for layers of overlay2
  Aufs,     ///< the kernel's AUFS, for layers of aufs
  Fuse,     ///< the FUSE union, for layers of either
};

/// "auto", "overlay", "aufs", "fuse".
std::string_view backend_name(MountBackend backend) noexcept;
/// Throws Error{Invalid} for other names.
MountBackend parse_backend(std::string_view name);

/// Whether the mount gives set-user-ID programs and device files their power.
enum class MountPower { Full, NoSuidNoDev };

struct LayersMountRequest {
  MountBackend backend = MountBackend::Auto;
  MountPower power = MountPower::Full;
};

/// Layers that are mounted.
struct MountedLayers {
  DetachedMount mount;
  MountBackend backend;  ///< never Auto
  Fd server;             ///< Fuse: of the process that serves it, for await_server_end
};

/// Mounts layers of the store: writable when they have an upper directory, else read-only. Auto
/// tries the kernel first, with these layers; when FUSE cannot do it either, the error says why
/// each of them does not. REQUIRES, for FUSE: this process runs a program whose main hands the
/// arguments behind kServeUnionVerb to serve_union_from_arguments (union_server.h).
MountedLayers mount_layers(const Store& store,
                           LayerMount layers,
                           const LayersMountRequest& request);

/// The first argument with which a program is started to serve a union.
inline constexpr std::string_view kServeUnionVerb = "serve-union";

/// Throws what mount_layers would, as far as that is known without layers: a backend that does not
/// fit the store, or that is not there.
void require_mountable(const Store& store, MountBackend backend);

/// What Auto comes to for a store, and why, in words for the user.
struct BackendChoice {
  MountBackend backend = MountBackend::Auto;  ///< Auto: nothing here can mount its layers
  std::string reason;
};
/// `driver` is what Store::driver_info has just found.
BackendChoice explain_backend(const DriverInfo& driver);

/// Waits until the server of a FUSE union has ended, and with it its hold on the directories; false
/// when `timeout_ms` passed before. True at once without a server.
bool await_server_end(const Fd& server, int timeout_ms);

}  // namespace layerkit
