#pragma once

#include "layerkit/imagetool/container_store.h"

namespace layerkit {

/// Whether its processes are stopped now. What the kernel says, so it is true after any crash.
bool is_paused(const ContainerInfo& container);

/// Stops all processes of a running container. Throws Error{Invalid} when it does not run or is
/// paused already, Error{Unsupported} when this system has no freezer for it.
void pause_container(ContainerStore& store, const ContainerInfo& container);
/// Throws Error{Invalid} when it is not paused.
void unpause_container(ContainerStore& store, const ContainerInfo& container);

/// Lets its processes go on if they are stopped: a signal ends frozen ones only then.
void thaw_container(const ContainerInfo& container);

/// Stops a container's processes for as long as the object lives; nothing when it does not run, or
/// was paused before.
class PausedWhile {
 public:
  PausedWhile(ContainerStore& store, const ContainerInfo& container);
  PausedWhile(const PausedWhile&) = delete;
  PausedWhile& operator=(const PausedWhile&) = delete;
  ~PausedWhile();

 private:
  std::optional<ContainerInfo> paused_;
};

}  // namespace layerkit
