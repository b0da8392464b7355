#include <chrono>
#include <thread>

#include "attach_client.h"
#include "attach_socket.h"
#include "layerkit/base/error.h"
#include "layerkit/imagetool/container_pause.h"
#include "layerkit/imagetool/container_run.h"
#include "user_terminal.h"

namespace layerkit {
namespace {

/// nullopt when the container runs no more.
std::optional<ContainerState> running_state(const ContainerStore& store,
                                            const ContainerInfo& info) {
  auto state = store.state(info.id);
  if (!state) fail(Errc::NotFound, "No such container: {}", info.name);
  if (state->status != ContainerStatus::Running) return std::nullopt;
  return state;
}

/// Programs that draw on the whole screen do so anew when its size changes.
void ask_to_redraw(const AttachClient& client) {
  if (!client.at_terminal) return;
  auto size = terminal_size(client.foreground.input);
  if (!size) return;
  ++size->height;
  send_packet(client.socket, format_packet(PacketKind::Resize, format_size(*size)));
  --size->height;
  send_packet(client.socket, format_packet(PacketKind::Resize, format_size(*size)));
}

}  // namespace

AttachEnd attach_container(ContainerStore& store,
                           const ContainerInfo& container,
                           const Foreground& foreground,
                           const Context& context) {
  const auto state = running_state(store, container);
  if (!state)
    fail(Errc::Invalid, "You cannot attach to a stopped container, start it first: {}",
         container.name);
  if (is_paused(container))
    fail(Errc::Invalid, "You cannot attach to a paused container, unpause it first: {}",
         container.name);
  auto socket = connect_to_monitor(store.directory(container.id));
  if (!socket)
    fail(Errc::Io, "attaching to container {}: the process that watches it is gone",
         container.name);
  AttachClient client{std::move(*socket), foreground, container.config.tty};
  greet_monitor(client);
  ask_to_redraw(client);
  const auto init = state->init ? open_process(*state->init) : std::nullopt;
  const auto end = attend(std::move(client), init ? init->get() : -1, context);
  if (end) return *end;
  fail(Errc::Io, "the process that watched container {} has ended", container.name);
}

int wait_container(ContainerStore& store, const ContainerInfo& container, const Context& context) {
  constexpr auto kPause = std::chrono::milliseconds(10);
  for (;;) {
    auto state = store.state(container.id);
    if (!state) fail(Errc::NotFound, "No such container: {}", container.name);
    if (state->status != ContainerStatus::Running) return state->exit_code;
    if (const auto socket = connect_to_monitor(store.directory(container.id))) {
      if (const auto code = await_exit(*socket, context)) return *code;
    }
    // Without a monitor nobody will say it; with one the end is about to be written down.
    if (const auto init = state->init ? open_process(*state->init) : std::nullopt)
      wait_for_exit(init->get(), -1);
    context.check_interrupted();
    std::this_thread::sleep_for(kPause);
  }
}

}  // namespace layerkit
