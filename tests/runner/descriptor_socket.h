#pragma once

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <string>

#include "layerkit/base/error.h"
#include "layerkit/base/fd.h"

namespace layerkit::testing {

struct SentDescriptor {
  Fd fd;
  std::string text;
};

/// Listens where a runtime sends descriptors to.
class DescriptorSocket {
 public:
  explicit DescriptorSocket(const std::string& path)
      : path_(path), socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    if (::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
        ::listen(socket_.get(), 4) != 0)
      fail_errno(errno, "listening on {}", path);
  }
  const std::string& path() const { return path_; }

  /// REQUIRES: it was sent.
  SentDescriptor receive_all() {
    const Fd connection(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    SentDescriptor received;
    char text[4096];
    iovec bytes{text, sizeof(text)};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
    for (;;) {
      msghdr message{};
      message.msg_iov = &bytes;
      message.msg_iovlen = 1;
      message.msg_control = control;
      message.msg_controllen = sizeof(control);
      const ssize_t got = ::recvmsg(connection.get(), &message, MSG_CMSG_CLOEXEC);
      if (got <= 0) return received;
      received.text.append(text, static_cast<std::size_t>(got));
      if (const cmsghdr* header = CMSG_FIRSTHDR(&message))
        received.fd = Fd(*reinterpret_cast<const int*>(CMSG_DATA(header)));
    }
  }
  Fd receive() { return receive_all().fd; }

 private:
  std::string path_;
  Fd socket_;
};

}  // namespace layerkit::testing
