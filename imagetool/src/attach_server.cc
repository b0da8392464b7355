#include "attach_server.h"

#include <algorithm>

namespace layerkit {
namespace {

/// More have to wait until somebody leaves.
constexpr std::size_t kMaxClients = 64;

}  // namespace

AttachServer::AttachServer(Fd record, Fd first)
    : record_(std::move(record)), listener_(listen_for_clients(record_)) {
  if (!first) return;
  clients_.emplace_back();
  clients_.back().socket = std::move(first);
}

AttachServer::~AttachServer() {
  close();
}

void AttachServer::add_polls(std::vector<pollfd>& polls, bool takes_input) const {
  polls.push_back({clients_.size() < kMaxClients ? listener_.get() : -1, POLLIN, 0});
  for (const Client& client : clients_) {
    short events = 0;
    if (takes_input || !client.said_hello) events |= POLLIN;
    if (!client.pending.empty()) events |= POLLOUT;
    polls.push_back({client.socket.get(), events, 0});
  }
}

void AttachServer::handle(std::span<const pollfd> ready) {
  for (std::size_t i = 0; i < clients_.size() && i + 1 < ready.size(); ++i) {
    const short happened = ready[i + 1].revents;
    if ((happened & POLLOUT) != 0) flush(clients_[i]);
    if ((happened & (POLLIN | POLLHUP | POLLERR)) != 0) read_from(clients_[i]);
  }
  if (!ready.empty() && ready.front().revents != 0) accept_all();
  forget_gone();
}

void AttachServer::accept_all() {
  while (clients_.size() < kMaxClients) {
    auto socket = accept_client(listener_);
    if (!socket) return;
    clients_.emplace_back();
    clients_.back().socket = std::move(*socket);
    read_from(clients_.back());
  }
}

void AttachServer::read_from(Client& client) {
  // One packet of input at a time, so that what is kept of it is bounded; what comes before it is
  // small.
  for (;;) {
    const Received received = receive_packet(client.socket);
    if (received.is_closed) client.is_gone = true;
    if (!received.packet) return;
    obey(client, *received.packet);
    if (client.is_gone || received.packet->kind == PacketKind::Input) return;
  }
}

void AttachServer::obey(Client& client, const Packet& packet) {
  if (!client.said_hello) {
    client.said_hello = true;
    client.is_gone = packet.kind != PacketKind::Hello;
    client.wants_output = packet.bytes == kWantsOutput;
    return;
  }
  switch (packet.kind) {
    case PacketKind::Input:
      if (requests_.input) requests_.input(packet.bytes);
      break;
    case PacketKind::InputEnd:
      if (requests_.end_of_input) requests_.end_of_input();
      break;
    case PacketKind::Resize:
      if (const auto size = parse_size_packet(packet.bytes); size && requests_.resize)
        requests_.resize(*size);
      break;
    default:
      client.is_gone = true;
  }
}

void AttachServer::queue(Client& client, std::string packet) {
  if (client.is_gone) return;
  client.pending.push_back(std::move(packet));
  flush(client);
}

void AttachServer::flush(Client& client) {
  while (!client.pending.empty()) {
    switch (send_packet(client.socket, client.pending.front())) {
      case Sent::Yes:
        client.pending.pop_front();
        break;
      case Sent::NotNow:
        return;
      case Sent::Gone:
        client.is_gone = true;
        client.pending.clear();
        return;
    }
  }
}

void AttachServer::forget_gone() {
  std::erase_if(clients_, [](const Client& client) { return client.is_gone; });
}

void AttachServer::send(LogStream stream, std::string_view bytes) {
  const auto kind = stream == LogStream::Output ? PacketKind::Output : PacketKind::Error;
  for (Client& client : clients_) {
    if (client.wants_output) queue(client, format_packet(kind, bytes));
  }
}

bool AttachServer::has_pending() const {
  return std::ranges::any_of(clients_,
                             [](const Client& client) { return !client.pending.empty(); });
}

void AttachServer::close() {
  if (!listener_) return;
  accept_all();
  stop_listening(record_);
  listener_.reset();
  record_.reset();
}

void AttachServer::finish(int exit_code) {
  for (Client& client : clients_)
    queue(client, format_packet(PacketKind::Exit, std::to_string(exit_code)));
  forget_gone();
}

}  // namespace layerkit
