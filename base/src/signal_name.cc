#include "layerkit/base/signal_name.h"

#include <algorithm>
#include <csignal>
#include <cstring>
#include <optional>
#include <string>

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"

namespace layerkit {
namespace {

char upper(char c) noexcept {
  return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
}

std::string upper(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(), [](char c) { return upper(c); });
  return result;
}

}  // namespace

int parse_signal(std::string_view text) {
  if (const auto number = parse_decimal(text)) {
    if (*number >= 1 && *number < static_cast<std::uint64_t>(NSIG))
      return static_cast<int>(*number);
    fail(Errc::Invalid, "invalid signal: {}", quoted(text));
  }
  std::string name = upper(text);
  if (name.rfind("SIG", 0) == 0) name.erase(0, 3);
  for (int signal = 1; signal < NSIG; ++signal) {
    const char* known = ::sigabbrev_np(signal);
    if (known != nullptr && name == known) return signal;
  }
  // Docker's names for the real-time signals count from the kernel's SIGRTMIN that libc shows.
  const auto offset = [&](std::string_view prefix) -> std::optional<int> {
    if (name.rfind(prefix, 0) != 0) return std::nullopt;
    if (name.size() == prefix.size()) return 0;
    const auto number = parse_decimal(std::string_view(name).substr(prefix.size() + 1));
    if (!number || *number > 30) return std::nullopt;
    return static_cast<int>(*number);
  };
  const auto up = offset("RTMIN");
  if (up && (name.size() == 5 || name[5] == '+') && SIGRTMIN + *up <= SIGRTMAX)
    return SIGRTMIN + *up;
  const auto down = offset("RTMAX");
  if (down && (name.size() == 5 || name[5] == '-') && SIGRTMAX - *down >= SIGRTMIN) {
    return SIGRTMAX - *down;
  }
  fail(Errc::Invalid, "invalid signal: {}", quoted(text));
}

}  // namespace layerkit
