#include <algorithm>
#include <chrono>
#include <csignal>
#include <thread>

#include "container_network.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/container_pause.h"
#include "layerkit/imagetool/container_run.h"
#include "layerkit/imagetool/mount_table.h"
#include "layerkit/runner/container_cgroup.h"

namespace layerkit {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::int64_t kDefaultStopTimeoutS = 10;  // docker's

std::optional<ContainerState> running_state(const ContainerStore& store, const std::string& id) {
  auto state = store.state(id);
  if (state && state->status != ContainerStatus::Running) return std::nullopt;
  return state;
}

/// False when the time was up first. A negative timeout waits for ever.
bool await_process(int pidfd, std::int64_t timeout_s, const Context& context) {
  const auto deadline = Clock::now() + std::chrono::seconds(timeout_s);
  for (;;) {
    int wait_ms = -1;
    if (timeout_s >= 0) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
      wait_ms = static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 1'000'000));
    }
    if (wait_for_exit(pidfd, wait_ms)) return true;
    context.check_interrupted();
    if (timeout_s >= 0 && Clock::now() >= deadline) return false;
  }
}

/// True as long as somebody still has to record the end of the container, or to remove it.
bool is_pending(const ContainerStore& store, const ContainerInfo& info) {
  const auto state = store.state(info.id);
  if (!state || state->status == ContainerStatus::Running) return state.has_value();
  return info.options.auto_remove && !ContainerStore::is_claimed(*state) && state->monitor &&
         is_alive(*state->monitor);
}

/// Waits until the monitor has written down the end of a process that is gone.
void await_record(const ContainerStore& store, const ContainerInfo& info, const Context& context) {
  constexpr auto kPatience = std::chrono::seconds(20);
  const auto deadline = Clock::now() + kPatience;
  while (is_pending(store, info)) {
    context.check_interrupted();
    if (Clock::now() > deadline) {
      fail(Errc::Busy, "stopping container {}: its end was not recorded", info.name);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

int stop_signal_of(const ContainerInfo& info) {
  return info.config.stop_signal.empty() ? SIGTERM : parse_signal(info.config.stop_signal);
}

std::int64_t stop_timeout_of(const ContainerInfo& info) {
  return info.config.stop_timeout_s ? static_cast<std::int64_t>(*info.config.stop_timeout_s)
                                    : kDefaultStopTimeoutS;
}

/// Kills the container whether its monitor lives or not.
void kill_and_await(ContainerStore& store, const ContainerInfo& info, const Context& context) {
  const auto state = running_state(store, info.id);
  if (!state) return;
  if (const auto process = state->init ? open_process(*state->init) : std::nullopt) {
    signal_process(process->get(), SIGKILL);
    thaw_container(info);
    await_process(process->get(), -1, context);
  }
  await_record(store, info, context);
  store.clean();
}

/// Takes it for this process, or says why it may not be removed now.
void claim_for_removal(ContainerStore& store,
                       const ContainerInfo& container,
                       const std::vector<MountRecord>& mounts) {
  const auto state = store.state(container.id);
  const bool starting = state && state->status == ContainerStatus::Created && state->monitor &&
                        is_alive(*state->monitor);
  if (starting || (state && state->status == ContainerStatus::Running)) {
    fail(Errc::Busy, "cannot remove container {}: it is {}; stop it before, or use --force",
         container.name, starting ? "being started" : "running");
  }
  if (!mounts.empty()) {
    fail(Errc::Busy,
         "cannot remove container {}: it is mounted at {}; unmount it before, or use --force",
         container.name, quoted(mounts.front().target));
  }
  with_context([&] { return "cannot remove container " + container.name; },
               [&] { store.claim(container, ContainerStore::Use::Stopped); });
}

}  // namespace

void stop_container(ContainerStore& store,
                    const ContainerInfo& container,
                    std::optional<std::int64_t> timeout_s,
                    const Context& context) {
  const auto state = running_state(store, container.id);
  if (!state) return;
  if (const auto process = state->init ? open_process(*state->init) : std::nullopt) {
    signal_process(process->get(), stop_signal_of(container));
    thaw_container(container);
    const auto timeout = timeout_s.value_or(stop_timeout_of(container));
    if (await_process(process->get(), timeout, context)) {
      await_record(store, container, context);
      store.clean();
      return;
    }
  }
  kill_and_await(store, container, context);
}

void kill_container(ContainerStore& store, const ContainerInfo& container, int signal_number) {
  const auto state = running_state(store, container.id);
  const auto process = state && state->init ? open_process(*state->init) : std::nullopt;
  if (!process || !signal_process(process->get(), signal_number)) {
    fail(Errc::Invalid, "cannot kill container {}: it is not running", container.name);
  }
  // As docker: what is to end it reaches a paused container, too.
  if (signal_number == stop_signal_of(container)) thaw_container(container);
  // Nothing survives this one: as docker, return when it is over.
  if (signal_number == SIGKILL) kill_and_await(store, container, Context());
}

void remove_container(ContainerStore& store,
                      const ContainerInfo& container,
                      RemoveMode mode,
                      const Context& context) {
  MountTable table(store.images());
  const auto mounts = table.mounts_of(MountSource::Container, container.id);
  if (mode == RemoveMode::Stopped) claim_for_removal(store, container, mounts);
  kill_and_await(store, container, context);
  for (const auto& mount : mounts)
    table.unmount(mount, UnmountMode::Lazy);
  release_network(store, container.id, context);
  // Of a start that nobody has seen the end of.
  remove_container_cgroups(cgroups_path_of(container));
  store.remove(container.id);
}

}  // namespace layerkit
