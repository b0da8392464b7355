#pragma once

#include <vector>

#include "layerkit/base/fd.h"
#include "layerkit/imagetool/container_store.h"

namespace layerkit {

/// Something of the host that is mounted in a container.
struct MountedObject {
  std::string source;       ///< absolute path on the host, of a directory or a file
  std::string destination;  ///< in the container
  bool read_only = false;
};

/// `root`, a detached mount, with those mounts in it: a detached mount, too, so that the host does
/// not see it. What cannot be placed, since the container has no such place any more or something
/// of another kind there, is left out. `place` is any directory; its mounts stay as they are.
Fd mount_inside(Fd root, const std::vector<MountedObject>& mounts, const std::string& place);

/// What a container's processes have as their root, for as long as the object lives; with volumes
/// binds and the files of its record, but no other mounts. Nobody starts, mounts or removes a
/// stopped container meanwhile.
class ContainerView {
 public:
  /// Throws Error{Busy} when somebody is starting or removing the container.
  ContainerView(ContainerStore& store, const ContainerInfo& container);
  ContainerView(const ContainerView&) = delete;
  ContainerView& operator=(const ContainerView&) = delete;
  ~ContainerView();

  /// A detached mount.
  int fd() const noexcept { return root_.get(); }

 private:
  void open_root();

  ContainerStore& store_;
  const ContainerInfo& container_;
  bool is_claimed_ = false;
  Fd root_;
  Fd server_;
};

}  // namespace layerkit
