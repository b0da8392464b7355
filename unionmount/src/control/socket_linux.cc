#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "control/socket.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "mount_api.h"

namespace layerkit {
namespace {

constexpr int kConnectSeconds = 5;
constexpr std::size_t kDescriptorBytes = CMSG_SPACE(kMaxPassedDescriptors * sizeof(int));

struct ControlBuffer {
  alignas(cmsghdr) std::array<char, kDescriptorBytes> bytes{};
};

std::vector<Fd> take_descriptors(msghdr& header) {
  std::vector<Fd> descriptors;
  for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof(fd));
      descriptors.emplace_back(fd);
    }
  }
  return descriptors;
}

/// As the name in the directory that `dir_fd` is: a socket's address holds 107 bytes only.
sockaddr_un address_in(int dir_fd, const std::string& name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = proc_fd_path(dir_fd) + "/" + name;
  if (path.size() >= sizeof(address.sun_path))
    fail(Errc::Limit, "the name {} is too long for a socket", quoted(name));
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

Fd make_socket() {
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) fail_errno(errno, "making a socket");
  return socket;
}

}  // namespace

std::pair<Fd, Fd> make_socket_pair(int type) {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends.data()) < 0)
    fail_errno(errno, "making a pair of sockets");
  return {Fd(ends[0]), Fd(ends[1])};
}

SocketMessage receive_message(int socket, std::size_t max_bytes) {
  SocketMessage message;
  message.text.resize(max_bytes);
  iovec data{message.text.data(), message.text.size()};
  ControlBuffer control;
  msghdr header{};
  header.msg_iov = &data;
  header.msg_iovlen = 1;
  header.msg_control = control.bytes.data();
  header.msg_controllen = control.bytes.size();
  ssize_t got = 0;
  do {
    got = ::recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  if (got < 0) fail_errno(errno, "receiving a message");
  message.text.resize(static_cast<std::size_t>(got));
  message.descriptors = take_descriptors(header);
  if ((header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0)
    fail(Errc::Limit,
         "receiving a message: it is longer than {} bytes or has more than {} "
         "descriptors",
         max_bytes, kMaxPassedDescriptors);
  return message;
}

void send_message(int socket, std::string_view text, const std::vector<int>& descriptors) {
  ControlBuffer control;
  bool first = true;
  while (!text.empty()) {
    // sendmsg(2) takes what it only reads as if it might change it.
    iovec data{const_cast<char*>(text.data()), text.size()};
    msghdr header{};
    header.msg_iov = &data;
    header.msg_iovlen = 1;
    if (first && !descriptors.empty()) {
      header.msg_control = control.bytes.data();
      header.msg_controllen = CMSG_SPACE(descriptors.size() * sizeof(int));
      cmsghdr* part = CMSG_FIRSTHDR(&header);
      part->cmsg_level = SOL_SOCKET;
      part->cmsg_type = SCM_RIGHTS;
      part->cmsg_len = CMSG_LEN(descriptors.size() * sizeof(int));
      std::memcpy(CMSG_DATA(part), descriptors.data(), descriptors.size() * sizeof(int));
    }
    const ssize_t sent = ::sendmsg(socket, &header, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) fail_errno(errno, "sending a message");
    text.remove_prefix(static_cast<std::size_t>(sent));
    first = false;
  }
}

void set_socket_timeout(int socket, int seconds) {
  const timeval limit{seconds, 0};
  for (const int option : {SO_RCVTIMEO, SO_SNDTIMEO}) {
    if (::setsockopt(socket, SOL_SOCKET, option, &limit, sizeof(limit)) < 0)
      fail_errno(errno, "limiting the time that a socket waits");
  }
}

uid_t peer_user(int socket) {
  ucred peer{};
  socklen_t size = sizeof(peer);
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
    fail_errno(errno, "asking who is at the other end of a socket");
  return peer.uid;
}

Fd listen_in_directory(int dir_fd, const std::string& name) {
  Fd socket = make_socket();
  const sockaddr_un address = address_in(dir_fd, name);
  // The file is made with the socket's own mode, less the umask.
  if (::fchmod(socket.get(), 0600) < 0 ||
      ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) < 0 ||
      ::listen(socket.get(), 16) < 0)
    fail_errno(errno, "listening on {}", quoted(name));
  return socket;
}

Fd connect_in_directory(int dir_fd, const std::string& name) {
  Fd socket = make_socket();
  const sockaddr_un address = address_in(dir_fd, name);
  // connect(2) waits where too many clients do already.
  set_socket_timeout(socket.get(), kConnectSeconds);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0)
    return socket;
  const int err = errno;
  if (err == ECONNREFUSED || err == ENOENT) return Fd();
  fail_errno(err, "connecting to {}", quoted(name));
}

}  // namespace layerkit
