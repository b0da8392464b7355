#include "attach_socket.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"

namespace layerkit {
namespace {

constexpr char kSocketFile[] = "attach";
constexpr int kBacklog = 64;

Fd make_socket() {
  Fd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int err = errno;
  if (!fd) fail_errno(err, "creating a socket");
  return fd;
}

/// By the directory's descriptor: the path of a store may be longer than an address can be.
sockaddr_un address_in(const Fd& record) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = fmt::format("/proc/self/fd/{}/{}", record.get(), kSocketFile);
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

const sockaddr* as_address(const sockaddr_un& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

}  // namespace

std::string format_packet(PacketKind kind, std::string_view bytes) {
  std::string packet(1, static_cast<char>(kind));
  packet += bytes;
  return packet;
}

SocketPair make_attach_pair() {
  int ends[2] = {-1, -1};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0)
    fail_errno(errno, "creating a pair of sockets");
  return {Fd(ends[0]), Fd(ends[1])};
}

Fd listen_for_clients(const Fd& record) {
  Fd listener = make_socket();
  unlink_at(record.get(), kSocketFile);
  const sockaddr_un address = address_in(record);
  if (::bind(listener.get(), as_address(address), sizeof address) != 0 ||
      ::listen(listener.get(), kBacklog) != 0) {
    fail_errno(errno, "making the socket 'attach' of the container's record");
  }
  return listener;
}

void stop_listening(const Fd& record) noexcept {
  ::unlinkat(record.get(), kSocketFile, 0);
}

std::optional<Fd> accept_client(const Fd& listener) {
  Fd client(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!client) return std::nullopt;
  return client;
}

std::optional<Fd> connect_to_monitor(const Fd& record) {
  Fd socket = make_socket();
  const sockaddr_un address = address_in(record);
  if (::connect(socket.get(), as_address(address), sizeof address) == 0) return socket;
  const int err = errno;
  if (err == ENOENT || err == ECONNREFUSED) return std::nullopt;
  if (err == EAGAIN) fail(Errc::Busy, "too many are waiting to be attached");
  fail_errno(err, "connecting to the container's monitor");
}

Sent send_packet(const Fd& socket, std::string_view packet) {
  if (::send(socket.get(), packet.data(), packet.size(), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
    return Sent::Yes;
  return errno == EAGAIN || errno == EINTR || errno == ENOBUFS ? Sent::NotNow : Sent::Gone;
}

Received receive_packet(const Fd& socket) {
  std::string buffer(kMaxPacketBytes + 1, '\0');
  ssize_t got = ::recv(socket.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  // The other side has gone with something unread. What it said before comes after that news.
  if (got < 0 && errno == ECONNRESET)
    got = ::recv(socket.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  Received received;
  if (got < 0) {
    received.is_closed = errno != EAGAIN && errno != EINTR;
    return received;
  }
  // There are no empty packets.
  received.is_closed = got == 0;
  if (got == 0) return received;
  buffer.resize(static_cast<std::size_t>(got));
  received.packet = Packet{static_cast<PacketKind>(buffer.front()), buffer.substr(1)};
  return received;
}

std::string format_size(const ConsoleSize& size) {
  return fmt::format("{} {}", size.height, size.width);
}

std::optional<ConsoleSize> parse_size_packet(std::string_view bytes) {
  const auto words = split(bytes, ' ');
  if (words.size() != 2) return std::nullopt;
  const auto rows = parse_decimal(words[0]);
  const auto columns = parse_decimal(words[1]);
  if (!rows || !columns || *rows > UINT16_MAX || *columns > UINT16_MAX) return std::nullopt;
  return ConsoleSize{static_cast<unsigned short>(*rows), static_cast<unsigned short>(*columns)};
}

}  // namespace layerkit
