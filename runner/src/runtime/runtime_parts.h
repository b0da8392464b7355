#pragma once

#include <memory>
#include <string>

#include "cgroup.h"
#include "container_record.h"
#include "layerkit/runner/oci_config.h"
#include "plan.h"
#include "state_directory.h"

namespace layerkit::runner {

/// Where the container's cgroup lies below each hierarchy: what config.json says, or the id.
std::string cgroup_path_of(const std::string& cgroups_path, const std::string& id);

/// Whether crun's annotation of that name is "1".
bool has_annotation(const ContainerSpec& spec, const std::string& name);
/// Whether podman asks for the groups of the caller ("run.oci.keep_original_groups").
bool keeps_groups(const ContainerSpec& spec);

/// Null when it is gone.
std::unique_ptr<Cgroup> cgroup_of(const ContainerRecord& record);

/// Removes labels of a security module that this system does not have; each is told.
void drop_labels_without_effect(ContainerSpec& spec, const Context& context);

/// As state_of(), and whether it waits to be started or is paused.
ContainerState full_state_of(const StateDirectory& directory, const ContainerRecord& record);

/// The config.json that the container was created from. Warnings were told then.
OciConfig config_of(const StateDirectory& directory);

/// The container's first process. Error{NotFound} when it has ended.
ContainerInit open_init(const ContainerRecord& record);

/// The processes in the pid namespace of the container's first one, and in those below it, sorted;
/// at least that one while it lives.
std::vector<pid_t> processes_around(const ContainerRecord& record);

/// SIGKILL for the first process and all that is in `cgroup` (may be null); returns once the first
/// one has ended. Error{Busy} when it does not.
void kill_container(const ContainerRecord& record, Cgroup* cgroup);

/// Kills it, removes what it left and runs its poststop hooks.
void destroy_container(const StateDirectory& directory,
                       const ContainerRecord& record,
                       const Context& context);

/// One that fails is a warning; the next ones run all the same.
void run_poststop_hooks(const std::vector<Hook>& hooks,
                        std::string_view state,
                        const Context& context);

}  // namespace layerkit::runner
