#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstring>

#include "hook.h"
#include "layerkit/base/error.h"

namespace layerkit::runner {

int hook_timeout(std::optional<unsigned> seconds) noexcept {
  if (!seconds) return -1;
  // Longer than anybody waits, and still a number of milliseconds.
  constexpr unsigned kMost = 2'000'000;
  return static_cast<int>(std::min(*seconds, kMost) * 1000);
}

namespace {

/// " (bad system call)"
std::string signal_text(int number) {
  const char* const text = ::sigdescr_np(number);
  if (text == nullptr) return {};
  std::string words = text;
  for (char& c : words)
    c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return " (" + words + ")";
}

}  // namespace

std::string reason_of(const HookEnd& end, std::string_view output) {
  std::string reason;
  switch (end.how) {
    case HookEnd::How::NotStarted:
      reason = errno_text(end.value);
      break;
    case HookEnd::How::Exited:
      reason = fmt::format("exit status {}", end.value);
      break;
    case HookEnd::How::Signalled:
      reason = fmt::format("killed by signal {}{}", end.value, signal_text(end.value));
      break;
    default:
      reason = "it took longer than its timeout";
  }
  if (!output.empty()) reason += fmt::format(", output: {}", output);
  return reason;
}

std::string read_hook_output(int output) {
  if (output < 0) return {};
  std::array<char, 1024> text{};
  const ssize_t got = ::pread(output, text.data(), text.size(), 0);
  std::string said(text.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
  while (!said.empty() && said.back() == '\n')
    said.pop_back();
  return said;
}

}  // namespace layerkit::runner
