#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "layerkit/base/context.h"
#include "layerkit/base/fd.h"
#include "layerkit/runner/cgroup_stats.h"
#include "layerkit/runner/container.h"
#include "layerkit/runner/container_spec.h"
#include "layerkit/runner/started_process.h"

namespace layerkit {

/// The state of a container as the OCI runtime spec (runtime.md, "State") has it, and "paused".
enum class ContainerStatus { Creating, Created, Running, Paused, Stopped };
/// "creating", ...
std::string_view status_name(ContainerStatus status) noexcept;

struct ContainerState {
  std::string oci_version;
  std::string id;
  pid_t pid = 0;  ///< of the first process; 0 when it has stopped
  ContainerStatus status = ContainerStatus::Stopped;
  std::string bundle;
  std::string rootfs;
  std::string created;  ///< RFC 3339, UTC
  std::uint32_t owner = 0;
  std::map<std::string, std::string> annotations;
};

struct CreateRequest {
  std::string id;
  std::string bundle = ".";
  std::string config;          ///< path; empty: config.json of the bundle
  std::string console_socket;  ///< AF_UNIX; gets the terminal's master
  std::string pid_file;
  std::string pidfd_socket;      ///< AF_UNIX; gets a pidfd of the process
  std::vector<Fd> preserved;     ///< become 3, 4, ... of the process; unset: closed there
  std::vector<std::string> env;  ///< further variables of the process
  bool pivots = true;
  bool new_keyring = true;
  /// A terminal goes to the caller: Runtime::create gives its master.
  bool keeps_terminal = false;
  /// What enter_user_namespace() gave: the caller is in the container's user namespace already, and
  /// this is its user outside.
  std::optional<uid_t> rootless_owner;
};

/// For a caller that may not mount: the process, which must have one thread, becomes root of the
/// user namespace that the bundle's config.json asks for, with a mount namespace of its own, and is
/// so from then on. Its ids are mapped by newuidmap(1) and newgidmap(1) where the caller may not do
/// that itself. nullopt when the caller may mount: then nothing is done. Throws Error.
std::optional<uid_t> enter_user_namespace(const CreateRequest& request, const Context& context);

struct ExecRequest {
  std::string id;
  ProcessSpec process;
  std::string cgroup;  ///< below the container's: "a/b"; empty: the container's own
  std::string console_socket;
  std::string pid_file;
  std::string pidfd_socket;
  std::vector<Fd> preserved;  ///< as CreateRequest has them
  bool ignores_pause = false;
  bool keeps_terminal = false;
};

/// Containers by the OCI runtime spec: their state lies in a directory, and they live on without
/// the process that started them. All functions throw Error; Error{NotFound} for a container that
/// does not exist. Several processes may use one directory at the same time: what changes one
/// container is done by one of them after the other; who waits for that looks at
/// Context::interrupted.
class Runtime {
 public:
  /// `root` is made when it is needed (0700). Without `uses_cgroups` new containers stay in the
  /// caller's cgroup.
  explicit Runtime(std::string root, bool uses_cgroups = true)
      : root_(std::move(root)), uses_cgroups_(uses_cgroups) {}

  /// Everything but the program itself runs; the process waits for start(). The caller's streams
  /// are its, and its parent is the caller. `failure`: which exit code an Error deserves.
  std::unique_ptr<StartedProcess> create(CreateRequest request,
                                         StartFailure& failure,
                                         const Context& context) const;
  void start(const std::string& id, const Context& context) const;
  /// create() and start(), at once where nothing is to be done between the two; a container that
  /// cannot be started is removed.
  std::unique_ptr<StartedProcess> run(CreateRequest request,
                                      StartFailure& failure,
                                      const Context& context) const;
  ContainerState state(const std::string& id) const;
  /// All containers, by name; those that are gone or broken are told.
  std::vector<ContainerState> list(const Context& context) const;
  /// `all`: every process of it, by its cgroup, also when the first one has ended.
  void kill(const std::string& id, int signal_number, bool all) const;
  /// `force`: kills it first, and one that does not exist is fine.
  void remove(const std::string& id, bool force, const Context& context) const;
  void pause(const std::string& id, const Context& context) const;
  void resume(const std::string& id, const Context& context) const;
  /// A pidfd of its first process. Error{NotFound} when that has ended.
  Fd first_process(const std::string& id) const;
  /// In the caller's pid namespace. Without a cgroup: those of the pid namespace that was made for
  /// it, or the first one alone.
  std::vector<pid_t> processes(const std::string& id) const;
  CgroupStats stats(const std::string& id) const;
  /// True once the kernel's OOM killer took a process of it.
  bool out_of_memory(const std::string& id) const;
  void update(const std::string& id, const Resources& resources, const Context& context) const;
  /// Of its config.json: what exec starts from.
  ProcessSpec process_of(const std::string& id) const;
  std::unique_ptr<StartedProcess> exec(ExecRequest request,
                                       StartFailure& failure,
                                       const Context& context) const;

  const std::string& root() const noexcept { return root_; }

 private:
  std::string root_;
  bool uses_cgroups_;
};

}  // namespace layerkit
