#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "control/run_directory.h"
#include "layerkit/unionmount/fuse_union.h"

namespace layerkit {

/// What the control directory says of a union besides its branches.
struct UnionFacts {
  std::uint64_t device = 0;  ///< st_dev of the mount
  int supervisor = 0;        ///< process ID
  AufsSettings settings;
};

/// Shows a union in its control directory and answers requests on the socket there, on a thread of
/// its own, one after the other.
class ControlServer final {
 public:
  /// Both references must outlive it. The directory is published when this returns.
  ControlServer(UnionControl& control, const RunDirectory& directory, UnionFacts facts);
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;
  /// Waits for the request in progress.
  ~ControlServer();

 private:
  class Thread;
  std::unique_ptr<Thread> thread_;
};

}  // namespace layerkit
