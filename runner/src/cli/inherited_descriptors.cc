#include "cli/inherited_descriptors.h"

#include <fcntl.h>
#include <stdlib.h>

#include <cerrno>

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"

namespace layerkit::cli {
namespace {

/// No caller has more to hand down.
constexpr std::uint64_t kMost = 4096;

/// What was inherited across exec is not close-on-exec; all that we open is.
bool is_inherited(int fd) {
  const int flags = ::fcntl(fd, F_GETFD);
  return flags >= 0 && (flags & FD_CLOEXEC) == 0;
}

}  // namespace

std::vector<Fd> inherited_descriptors(unsigned count, std::vector<std::string>* env) {
  std::uint64_t all = count;
  if (const char* const listening = ::getenv("LISTEN_FDS")) {
    const std::uint64_t sockets = parse_decimal(listening).value_or(0);
    if (sockets > 0 && sockets <= kMost) {
      all += sockets;
      if (env != nullptr) {
        env->push_back("LISTEN_FDS=" + std::to_string(sockets));
        env->emplace_back("LISTEN_PID=1");
      }
    }
  }
  std::vector<Fd> found;
  for (std::uint64_t i = 0; i < all; ++i) {
    const int number = static_cast<int>(3 + i);
    Fd copy;
    if (is_inherited(number)) {
      copy = Fd(::fcntl(number, F_DUPFD_CLOEXEC, 3));
      if (!copy) fail_errno(errno, "handing down descriptor {}", number);
    }
    found.push_back(std::move(copy));
  }
  return found;
}

}  // namespace layerkit::cli
