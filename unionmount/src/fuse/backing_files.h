#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>

#include "union_fs.h"

namespace layerkit {

/// FUSE passthrough: the kernel reads and writes a registered file of a branch itself. All opens of
/// a node must agree (fs/fuse/iomode.c): while one is passed through to a file, none may be cached
/// or passed to another file. Thread-safe.
class BackingFiles {
 public:
  BackingFiles() = default;
  BackingFiles(const BackingFiles&) = delete;
  BackingFiles& operator=(const BackingFiles&) = delete;
  ~BackingFiles() = default;

  /// After INIT, with the device.
  void enable(int device) noexcept { device_ = device; }

  enum class Opened {
    Cached,         ///< by this process
    PassedThrough,  ///< handle.backing_id says to what
    Conflict,  ///< the node has moved to another file while it is passed through to the old one
  };
  /// Decides how the new handle reads and writes. A Conflict leaves it as it was.
  Opened open(FileHandle& handle);
  void close(FileHandle& handle);

 private:
  std::mutex& mutex_of(const Node& node) noexcept;
  std::uint32_t register_file(int fd) noexcept;

  std::atomic<int> device_{-1};
  std::array<std::mutex, 64> mutexes_;
};

}  // namespace layerkit
