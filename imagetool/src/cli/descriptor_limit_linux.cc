#include <sys/resource.h>

#include "cli/descriptor_limit.h"

namespace layerkit::cli {

std::optional<Rlimit> raise_descriptor_limit() noexcept {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= limit.rlim_max) {
    return std::nullopt;
  }
  const Rlimit before{RLIMIT_NOFILE, limit.rlim_cur, limit.rlim_max};
  limit.rlim_cur = limit.rlim_max;
  // Where it is refused the limit stays as it is; a stack that needs more says so itself.
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) return std::nullopt;
  return before;
}

}  // namespace layerkit::cli
