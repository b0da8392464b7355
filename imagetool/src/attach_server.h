#pragma once

#include <poll.h>

#include <deque>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "attach_socket.h"
#include "layerkit/base/fd.h"
#include "layerkit/imagetool/container_log.h"

namespace layerkit {

/// The monitor's side of those who are attached to its container. Not thread-safe, never blocks.
class AttachServer {
 public:
  /// What clients ask for.
  struct Requests {
    std::function<void(std::string_view)> input;
    std::function<void()> end_of_input;
    std::function<void(const ConsoleSize&)> resize;
  };

  /// Listens in the container's record. `first` is somebody who is there from the start, or unset.
  AttachServer(Fd record, Fd first);
  AttachServer(const AttachServer&) = delete;
  AttachServer& operator=(const AttachServer&) = delete;
  ~AttachServer();

  void on_requests(Requests requests) { requests_ = std::move(requests); }

  /// Appends what to poll for. Without `takes_input` clients have to wait with theirs.
  void add_polls(std::vector<pollfd>& polls, bool takes_input) const;
  /// Call with what add_polls appended, after poll(2).
  void handle(std::span<const pollfd> ready);

  /// To everybody who wants it.
  void send(LogStream stream, std::string_view bytes);
  /// As long as somebody has not taken what was sent, no more should be: else it would be kept.
  bool has_pending() const;

  /// Nobody else comes: called before the end of the container is written down.
  void close();
  /// Tells everybody how the container ended.
  void finish(int exit_code);
  /// Those who do not read are forgotten.
  void drop_clients() { clients_.clear(); }

 private:
  struct Client {
    Fd socket;
    bool said_hello = false;
    bool wants_output = false;
    bool is_gone = false;
    std::deque<std::string> pending;
  };

  void accept_all();
  void read_from(Client& client);
  void obey(Client& client, const Packet& packet);
  static void queue(Client& client, std::string packet);
  static void flush(Client& client);
  void forget_gone();

  Fd record_;
  Fd listener_;
  std::vector<Client> clients_;
  Requests requests_;
};

}  // namespace layerkit
