#pragma once

#include <sys/types.h>

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "layerkit/base/fd.h"
#include "layerkit/base/file.h"
#include "layerkit/imagetool/container_options.h"
#include "layerkit/imagetool/image_store.h"
#include "layerkit/imagetool/mount_backend.h"
#include "layerkit/imagetool/process_identity.h"

namespace layerkit {

/// An anonymous volume: a directory of the container's record.
struct AnonymousVolume {
  std::string name;         ///< below "volumes/" of the record
  std::string destination;  ///< in the container
  bool operator==(const AnonymousVolume&) const = default;
};

/// What never changes about a container: `config.json` of its record.
struct ContainerInfo {
  std::string id;  ///< 64 hex digits
  std::string name;
  ImageId image;
  std::string image_name;  ///< as the user wrote it
  std::string created;     ///< RFC 3339
  ContainerConfig config;
  HostOptions options;
  std::vector<AnonymousVolume> volumes;
  MountBackend backend = MountBackend::Auto;  ///< what was asked for
};

enum class ContainerStatus { Created, Running, Exited };
/// "created", "running", "exited".
std::string_view status_name(ContainerStatus status) noexcept;

/// What changes: `state.json`.
struct ContainerState {
  ContainerStatus status = ContainerStatus::Created;
  std::optional<ProcessIdentity> init;     ///< the container's first process, while it runs
  std::optional<ProcessIdentity> monitor;  ///< who creates it or waits for it
  int exit_code = 0;
  bool oom_killed = false;
  std::string started_at;                     ///< RFC 3339; empty: not yet
  std::string finished_at;                    ///< RFC 3339; empty: not yet
  MountBackend backend = MountBackend::Auto;  ///< what mounted its root; Auto: nothing yet
};

/// A file of a record, beside those that this header tells of.
struct RecordFile {
  std::string name;
  std::string contents;
  mode_t mode = 0644;  ///< whatever the umask: users inside the container read it
};

/// Exit code of a container whose end nobody saw (its monitor was killed, the machine went down).
inline constexpr int kUnknownExitCode = 255;

/// The records of containers in `<root>/containers`; format: docs/formats/store.md, "Containers".
/// Safe for many processes: names are handed out under a lock, files are replaced atomically.
class ContainerStore {
 public:
  /// `images` must outlive it. Creates the directory when absent.
  explicit ContainerStore(ImageStore& images);

  /// Writes a new record. An empty id or name of `draft` is made up. `files` are further files of
  /// the record (hosts, hostname, ...).
  /// Throws Error{Exists} when the name is taken.
  ContainerInfo create(ContainerInfo draft, const std::vector<RecordFile>& files);

  /// All containers, newest first.
  std::vector<ContainerInfo> list() const;
  /// By name, id or unambiguous prefix of the id. Throws Error{NotFound} "No such container: x",
  /// Error{Invalid} for an ambiguous prefix.
  ContainerInfo find(std::string_view name_or_id) const;

  /// As it is, not only as it was written last: a running container whose first process is gone
  /// and whose monitor died is Exited with kUnknownExitCode. nullopt when the record is gone.
  std::optional<ContainerState> state(const std::string& id) const;
  void set_state(const std::string& id, const ContainerState& state);

  /// The directory of the record.
  Fd directory(const std::string& id) const;
  std::string path(const std::string& id) const;

  /// Deletes the container's layers, volumes and record. The first of several callers wins; for
  /// the others it is gone already. REQUIRES: it does not run.
  void remove(const std::string& id);

  /// Brings records in line with the truth after crashes: the end of containers whose monitor died
  /// is written down and their cgroups are removed, containers of `run --rm` go, half-made and
  /// half-removed records go.
  void clean();

  ImageStore& images() const noexcept { return images_; }

 private:
  FileLock lock() const;
  std::vector<std::string> names_in_directory(std::string_view prefix) const;
  void write_record(const ContainerInfo& record, const std::vector<RecordFile>& files);
  void finish_removal(const std::string& id);
  void clean_one(const ContainerInfo& record);

  ImageStore& images_;
  std::string root_;
  Fd dir_;
};

/// Names of the containers that were made from `image`, for ImageStore::set_users.
std::vector<std::string> containers_of_image(ImageStore& images, const ImageId& image);

/// Where a container's cgroup is: below its option's parent, or below "layerkit".
std::string cgroups_path_of(const ContainerInfo& record);

}  // namespace layerkit
