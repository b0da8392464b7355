#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "layerkit/base/fd.h"

namespace layerkit {

/// The most descriptors that one message may bring.
inline constexpr std::size_t kMaxPassedDescriptors = 4;

struct SocketMessage {
  std::string text;  ///< empty: the other side has closed
  std::vector<Fd> descriptors;
};

/// Two connected sockets; `type` is SOCK_STREAM or SOCK_SEQPACKET.
std::pair<Fd, Fd> make_socket_pair(int type);

/// What one recvmsg(2) gives. A packet that is longer than `max_bytes`, and descriptors beyond
/// kMaxPassedDescriptors, are Error{Limit}.
SocketMessage receive_message(int socket, std::size_t max_bytes);

/// Sends all of it, the descriptors with the first byte. Error{Io} with EPIPE, not a signal, when
/// nobody receives. REQUIRES: text is not empty; at most kMaxPassedDescriptors.
void send_message(int socket, std::string_view text, const std::vector<int>& descriptors = {});

/// Sending and receiving on the socket fail (EAGAIN) after so long without progress.
void set_socket_timeout(int socket, int seconds);

/// The user at the other end (SO_PEERCRED).
uid_t peer_user(int socket);

/// Binds a new listening socket to `name` (mode 0600) in the directory, however long its path is.
Fd listen_in_directory(int dir_fd, const std::string& name);
/// An empty Fd when nobody listens there (any more).
Fd connect_in_directory(int dir_fd, const std::string& name);

}  // namespace layerkit
