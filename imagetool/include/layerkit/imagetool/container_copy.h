#pragma once

#include <string>

#include "layerkit/base/byte_stream.h"
#include "layerkit/imagetool/container_store.h"

namespace layerkit {

struct CopyOptions {
  bool keeps_owners = false;  ///< with set-user-ID bits, capabilities and ACLs; else all belongs to
                              ///< the user who copies
  bool follows_link = false;  ///< of a source that is a symlink
};

// Copies between containers and the host, by docker's rules: a directory goes into one that is
// there, or becomes one of the target's name; "DIR/." means what is in it; a file replaces a file.
// A container may run, be paused or be stopped. Of its mounts its volumes and binds are seen, and
// its /etc/hosts, hostname and resolv.conf; not what it mounts itself, its tmpfs, or /proc, /sys
// and /dev. A root that is read-only for the container is so here. Whatever the container does
// meanwhile, nothing outside its root is read or written. Sockets are left out with a warning; so
// is what becomes something else while it is read. Extended attributes: see copy_xattrs.h.
//
// Paths in the container are relative to its root. All return the bytes of files that were copied,
// and throw an Error that names the object.

/// Devices are left out with a warning, too.
std::uint64_t copy_from_container(ContainerStore& store,
                                  const ContainerInfo& container,
                                  const std::string& source,
                                  const std::string& host_target,
                                  const CopyOptions& options,
                                  const Context& context);
std::uint64_t copy_to_container(ContainerStore& store,
                                const ContainerInfo& container,
                                const std::string& host_source,
                                const std::string& target,
                                const CopyOptions& options,
                                const Context& context);

/// As a tar whose names start with that of the source, with the owners there are.
std::uint64_t export_from_container(ContainerStore& store,
                                    const ContainerInfo& container,
                                    const std::string& source,
                                    ByteSink& tar,
                                    const CopyOptions& options,
                                    const Context& context);
/// Unpacks a tar, which may be compressed, with its owners, into the directory `target`.
std::uint64_t import_into_container(ContainerStore& store,
                                    const ContainerInfo& container,
                                    ByteSource& tar,
                                    const std::string& target,
                                    const Context& context);

}  // namespace layerkit
