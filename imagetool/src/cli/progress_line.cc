#include "cli/progress_line.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

namespace layerkit::cli {

ProgressLine::ProgressLine() : is_terminal_(::isatty(STDERR_FILENO) == 1) {}

Context ProgressLine::attach(const Context& context) {
  if (!is_terminal_) return context;
  Context attached = context;
  attached.warn = [this, warn = context.warn](const std::string& text) {
    wipe();
    warn(text);
  };
  attached.progress = [this](const std::string& what, std::uint64_t done, std::uint64_t total) {
    show(what, done, total);
  };
  return attached;
}

void ProgressLine::show(const std::string& what, std::uint64_t done, std::uint64_t total) {
  constexpr std::uint64_t kMebibyte = 1 << 20;
  std::string line = what;
  line += total > 0 ? fmt::format(" {}%", static_cast<int>(100.0 * static_cast<double>(done) /
                                                           static_cast<double>(total)))
                    : fmt::format(" {} MiB", done / kMebibyte);
  if (line == line_ || !is_terminal_) return;
  line_ = line;
  static_cast<void>(std::fputs(("\r\x1b[K" + line).c_str(), stderr));
}

void ProgressLine::wipe() {
  if (line_.empty()) return;
  line_.clear();
  static_cast<void>(std::fputs("\r\x1b[K", stderr));
}

}  // namespace layerkit::cli
