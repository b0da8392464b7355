#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "layerkit/base/fd.h"
#include "layerkit/runner/container_spec.h"

namespace layerkit {

// What a container's monitor and those who attach to the container say to each other: packets on a
// socket in the container's record. docs/formats/store.md, "Containers".

enum class PacketKind : char {
  // to the monitor
  Hello = 'h',     ///< the first one: `kWantsOutput`, or nothing
  Input = 'i',     ///< bytes for the container
  InputEnd = 'e',  ///< no more of them
  Resize = 'r',    ///< "<rows> <columns>" of the user's terminal
  // from it
  Output = 'o',  ///< bytes of the container's output
  Error = 'x',   ///< of its error output
  Exit = 'q',    ///< its exit code, in decimal; the last one
};
inline constexpr std::string_view kWantsOutput = "output";

struct Packet {
  PacketKind kind = PacketKind::Hello;
  std::string bytes;
};
inline constexpr std::size_t kMaxPacketBytes = std::size_t{64} * 1024;

std::string format_packet(PacketKind kind, std::string_view bytes);

struct SocketPair {
  Fd monitor;
  Fd client;
};
SocketPair make_attach_pair();

/// A socket of a new monitor; one that a dead monitor has left is replaced. Not blocking.
Fd listen_for_clients(const Fd& record);
/// As soon as the container ends nobody needs to come any more.
void stop_listening(const Fd& record) noexcept;
/// Somebody who has come; nullopt when nobody has.
std::optional<Fd> accept_client(const Fd& listener);
/// nullopt when there is no monitor.
std::optional<Fd> connect_to_monitor(const Fd& record);

enum class Sent { Yes, NotNow, Gone };
/// Never blocks.
Sent send_packet(const Fd& socket, std::string_view packet);

struct Received {
  bool is_closed = false;
  std::optional<Packet> packet;  ///< nothing: there is none now
};
/// Never blocks.
Received receive_packet(const Fd& socket);

std::string format_size(const ConsoleSize& size);
/// nullopt for what is no size.
std::optional<ConsoleSize> parse_size_packet(std::string_view bytes);

}  // namespace layerkit
