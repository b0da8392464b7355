#pragma once

#include <optional>
#include <string>
#include <vector>

#include "layerkit/base/fd.h"
#include "layerkit/base/file.h"
#include "layerkit/imagetool/container_store.h"
#include "layerkit/imagetool/image_store.h"
#include "layerkit/unionmount/detached_mount.h"

namespace layerkit {

enum class MountSource {
  Image,
  Container,
  Archive,  ///< an image of an archive, mounted where it lies
};

/// One mount that was made by `mount` and not yet undone.
struct MountRecord {
  std::string key;     ///< names the record's file
  std::string target;  ///< absolute path
  MountSource source = MountSource::Image;
  std::string id;                  ///< hex of the image, or id of the container
  bool created_directory = false;  ///< the target is removed with the mount
  std::uint64_t dev = 0;           ///< of the mount's root, to tell it from other mounts there
  std::uint64_t ino = 0;
  MountBackend backend = MountBackend::Auto;  ///< Auto: of a record without it
};

/// A copy of the root of a container that runs, as it says, without what is mounted in it. Throws
/// Error{Busy} when its first process is not there yet, or no more.
Fd clone_running_root(const ContainerInfo& container, const ContainerState& state);

/// Images and containers that are mounted for looking at them: `<root>/mounts`. A record is written
/// before the mount is attached and is void once something else, or nothing, is mounted there (it
/// was undone by umount(8), the machine was restarted). Safe for many processes.
class MountTable {
 public:
  /// `images` must outlive it.
  explicit MountTable(ImageStore& images);

  /// Mounts an image read-only, nosuid and nodev, at `directory` (created when absent; unset: one
  /// of the store's own). Returns the absolute path.
  std::string mount_image(const Image& image,
                          const std::optional<std::string>& directory,
                          MountBackend backend = MountBackend::Auto);
  /// The same with an image that mount_in_place() has mounted.
  std::string mount_archive(DetachedMount mount,
                            const Image& image,
                            const std::optional<std::string>& directory);
  /// Mounts what the container sees, writable, nosuid and nodev. A running container's root is
  /// shown as it is, without the mounts inside it, and so is one that is mounted already: an upper
  /// directory has one union only. With Auto the backend is the one the container ran with.
  /// Throws Error{Invalid} when the container runs, or is mounted, by another one than `backend`.
  std::string mount_container(const ContainerStore& store,
                              const ContainerInfo& container,
                              const std::optional<std::string>& directory,
                              MountBackend backend = MountBackend::Auto);

  /// The same root as a detached mount without a place. REQUIRES: lock() is held; the container
  /// runs, or the calling process has claimed it.
  MountedLayers open_container(const ContainerStore& store,
                               const ContainerInfo& container,
                               MountBackend backend);

  /// What is mounted now.
  std::vector<MountRecord> list() const;
  std::vector<MountRecord> mounts_of(MountSource source, const std::string& id) const;
  /// Returns, unless lazily, when nothing of the mount is left, the server of a FUSE union
  /// included.
  void unmount(const MountRecord& record, UnmountMode mode);
  /// Removes void records.
  void clean();
  /// As long as it is held nothing is mounted or unmounted; for containers from before it is known
  /// whether they are mounted.
  FileLock lock() const;

 private:
  /// REQUIRES: the lock.
  std::string attach(DetachedMount mount, MountRecord record, const std::string& directory);
  bool is_alone(const MountRecord& record) const;
  void forget(const MountRecord& record);
  void drop_void_records();
  std::vector<MountRecord> read_all_records() const;

  ImageStore& images_;
  std::string root_;
  Fd dir_;
};

/// Who uses an image, for ImageStore::set_users: names of containers and "mount at '/x'".
std::vector<std::string> users_of_image(ImageStore& images, const ImageId& image);

}  // namespace layerkit
