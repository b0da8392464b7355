#include "layerkit/base/error.h"

#include <cstring>

namespace layerkit {
namespace {

Errc code_of(int sys_errno) noexcept {
  switch (sys_errno) {
    case ENOENT:
      return Errc::NotFound;
    case EEXIST:
    case ENOTEMPTY:
      return Errc::Exists;
    case EBUSY:
    case ETXTBSY:
      return Errc::Busy;
    default:
      return Errc::Io;
  }
}

}  // namespace

std::string errno_text(int sys_errno) {
  const char* text = ::strerrordesc_np(sys_errno);
  return text != nullptr ? std::string(text) : fmt::format("error {}", sys_errno);
}

Error Error::from_errno(int sys_errno, std::string_view doing) {
  Error error(code_of(sys_errno), fmt::format("{}: {}", doing, errno_text(sys_errno)));
  error.sys_errno_ = sys_errno;
  return error;
}

void Error::add_context(std::string_view context) {
  message_.insert(0, fmt::format("{}: ", context));
}

}  // namespace layerkit
