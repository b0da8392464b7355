#include "cli/session.h"

#include <cerrno>

#include "cli/output.h"

namespace layerkit::cli {

void Session::attempt(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    if (error.code() == Errc::Interrupted || error.sys_errno() == EPIPE) throw;
    print_error(error.message());
    exit_code = 1;
  }
}

}  // namespace layerkit::cli
