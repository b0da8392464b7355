#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

#include "fd_passing.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"

namespace layerkit::runner {
namespace {

/// A path longer than an address has room for, by way of its directory.
Fd open_directory_of(const std::string& path, std::string& shorter) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return {};
  Fd directory = open_at(AT_FDCWD, path.substr(0, slash + 1), O_PATH | O_DIRECTORY);
  shorter = fmt::format("/proc/self/fd/{}/{}", directory.get(), path.substr(slash + 1));
  return directory;
}

}  // namespace

Fd connect_to(const std::string& path, const std::string& what) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::string name = path;
  Fd directory;
  if (name.size() >= sizeof(address.sun_path)) directory = open_directory_of(path, name);
  if (name.size() >= sizeof(address.sun_path))
    fail(Errc::Limit, "connecting to {} {}: its name is too long", what, quoted(path));
  std::memcpy(address.sun_path, name.data(), name.size());
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) fail_errno(errno, "connecting to {} {}", what, quoted(path));
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
    fail_errno(errno, "connecting to {} {}", what, quoted(path));
  return socket;
}

void send_descriptor(const Fd& socket, int fd, const std::string& text, const std::string& what) {
  std::string copy = text;
  iovec bytes{copy.data(), copy.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(fd))] = {};
  msghdr message{};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  cmsghdr* const header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(fd));
  std::memcpy(CMSG_DATA(header), &fd, sizeof(fd));
  ssize_t sent = 0;
  do {
    sent = ::sendmsg(socket.get(), &message, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) fail_errno(errno, "sending to {}", what);
  // The descriptor went with the first byte.
  if (static_cast<std::size_t>(sent) < copy.size())
    write_all(socket.get(), std::string_view(copy).substr(static_cast<std::size_t>(sent)), what);
}

}  // namespace layerkit::runner
