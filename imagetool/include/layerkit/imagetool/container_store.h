#pragma once

#include <sys/types.h>

#include <functional>
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

/// What never changes about a container, but for its name: `config.json` of its record.
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
  /// Who is about to start it once more, or to remove it: nobody else may then.
  std::optional<ProcessIdentity> claimed_by;
  int exit_code = 0;
  bool oom_killed = false;
  std::string started_at;                     ///< RFC 3339; empty: not yet
  std::string finished_at;                    ///< RFC 3339; empty: not yet
  MountBackend backend = MountBackend::Auto;  ///< what mounted its root; Auto: nothing yet
  bool paused = false;  ///< not written down: ContainerStore::full_state looks
};
/// As docker says it: "paused", or status_name.
std::string_view status_word(const ContainerState& state) noexcept;

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
  /// the record (hosts, hostname, ...). Its monitor is the calling process until end_creation.
  /// Throws Error{Exists} when the name is taken.
  ContainerInfo create(ContainerInfo draft, const std::vector<RecordFile>& files);

  /// The container is made and waits for somebody to start it: it stays when this process ends.
  void end_creation(const std::string& id);
  /// Throws Error{Exists} when the name is taken.
  void rename(const std::string& id, const std::string& new_name);

  /// All containers, newest first.
  std::vector<ContainerInfo> list() const;
  /// By name, id or unambiguous prefix of the id. Throws Error{NotFound} "No such container: x",
  /// Error{Invalid} for an ambiguous prefix.
  ContainerInfo find(std::string_view name_or_id) const;

  /// As it is, not only as it was written last: a running container whose first process is gone
  /// and whose monitor died is Exited with kUnknownExitCode. nullopt when the record is gone.
  std::optional<ContainerState> state(const std::string& id) const;
  /// With what only the kernel knows.
  std::optional<ContainerState> full_state(const ContainerInfo& container) const;
  void set_state(const std::string& id, const ContainerState& state);
  /// Changes what is written down; nobody else does so meanwhile. False when the record is gone.
  bool update_state(const std::string& id, const std::function<void(ContainerState&)>& change);

  /// The calling process, or one that has `previous` as its claim, is from now on the only one that
  /// may start or remove the container; until release_claim, or until it starts or ends.
  /// Throws Error{Busy} when somebody else is at it. `Use::Stopped`: or when it runs.
  enum class Use { Stopped, Any };
  void claim(const ContainerInfo& container,
             Use use,
             const std::optional<ProcessIdentity>& previous = std::nullopt);
  void release_claim(const std::string& id);
  /// True while a process that lives has claimed it.
  static bool is_claimed(const ContainerState& state);

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
  void write_down_end(const ContainerInfo& record, ContainerState& state);
  FileLock lock_state(const Fd& record) const;

  ImageStore& images_;
  std::string root_;
  Fd dir_;
};

/// Names of the containers that were made from `image`, for ImageStore::set_users.
std::vector<std::string> containers_of_image(ImageStore& images, const ImageId& image);

/// Where a container's cgroup is: below its option's parent, or below "layerkit".
std::string cgroups_path_of(const ContainerInfo& record);

}  // namespace layerkit
