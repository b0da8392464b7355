#pragma once

#include <optional>
#include <string>
#include <vector>

#include "layerkit/base/file.h"
#include "layerkit/imagetool/container_store.h"
#include "layerkit/imagetool/image_store.h"
#include "layerkit/unionmount/detached_mount.h"

namespace layerkit {

enum class MountSource { Image, Container };

/// One mount that was made by `mount` and not yet undone.
struct MountRecord {
  std::string key;     ///< names the record's file
  std::string target;  ///< absolute path
  MountSource source = MountSource::Image;
  std::string id;                  ///< hex of the image, or id of the container
  bool created_directory = false;  ///< the target is removed with the mount
  std::uint64_t dev = 0;           ///< of the mount's root, to tell it from other mounts there
  std::uint64_t ino = 0;
};

/// Images and containers that are mounted for looking at them: `<root>/mounts`. A record is written
/// before the mount is attached and is void once something else, or nothing, is mounted there (it
/// was undone by umount(8), the machine was restarted). Safe for many processes.
class MountTable {
 public:
  /// `images` must outlive it.
  explicit MountTable(ImageStore& images);

  /// Mounts an image read-only, nosuid and nodev, at `directory` (created when absent; unset: one
  /// of the store's own). Returns the absolute path.
  std::string mount_image(const Image& image, const std::optional<std::string>& directory);
  /// Mounts what the container sees, writable, nosuid and nodev. A running container's root is
  /// shown as it is, without the mounts inside it.
  std::string mount_container(const ContainerStore& store,
                              const ContainerInfo& container,
                              const std::optional<std::string>& directory);

  /// What is mounted now.
  std::vector<MountRecord> list() const;
  std::vector<MountRecord> mounts_of(MountSource source, const std::string& id) const;
  void unmount(const MountRecord& record, UnmountMode mode);
  /// Removes void records.
  void clean();

 private:
  FileLock lock() const;
  std::string attach(DetachedMount mount, MountRecord record, const std::string& directory);
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
