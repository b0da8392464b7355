#include "layerkit/imagetool/container_pause.h"

#include "layerkit/base/error.h"
#include "layerkit/runner/container_cgroup.h"

namespace layerkit {
namespace {

bool is_running(const ContainerStore& store, const ContainerInfo& container) {
  const auto state = store.state(container.id);
  return state && state->status == ContainerStatus::Running;
}

std::unique_ptr<ContainerCgroup> cgroup_of(const ContainerInfo& container) {
  auto cgroup = find_container_cgroup(cgroups_path_of(container));
  if (cgroup == nullptr) fail(Errc::Unsupported, "it has no cgroup that could be frozen");
  return cgroup;
}

}  // namespace

bool is_paused(const ContainerInfo& container) {
  const auto cgroup = find_container_cgroup(cgroups_path_of(container));
  return cgroup != nullptr && cgroup->frozen();
}

void pause_container(ContainerStore& store, const ContainerInfo& container) {
  with_context([&] { return "cannot pause container " + container.name; },
               [&] {
                 if (!is_running(store, container)) fail(Errc::Invalid, "it is not running");
                 const auto cgroup = cgroup_of(container);
                 if (cgroup->frozen()) fail(Errc::Invalid, "it is already paused");
                 cgroup->freeze();
               });
}

void unpause_container(ContainerStore& store, const ContainerInfo& container) {
  with_context([&] { return "cannot unpause container " + container.name; },
               [&] {
                 if (!is_running(store, container)) fail(Errc::Invalid, "it is not running");
                 const auto cgroup = cgroup_of(container);
                 if (!cgroup->frozen()) fail(Errc::Invalid, "it is not paused");
                 cgroup->thaw();
               });
}

void thaw_container(const ContainerInfo& container) {
  const auto cgroup = find_container_cgroup(cgroups_path_of(container));
  if (cgroup != nullptr && cgroup->frozen()) cgroup->thaw();
}

PausedWhile::PausedWhile(ContainerStore& store, const ContainerInfo& container) {
  if (!is_running(store, container) || is_paused(container)) return;
  pause_container(store, container);
  paused_ = container;
}

PausedWhile::~PausedWhile() {
  if (!paused_) return;
  try {
    thaw_container(*paused_);
  } catch (const Error&) {
    // It ended meanwhile, or `unpause` says what is wrong.
    static_cast<void>(0);
  }
}

}  // namespace layerkit
