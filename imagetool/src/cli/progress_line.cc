#include "cli/progress_line.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string_view>

namespace layerkit::cli {
namespace {

using Seconds = std::chrono::duration<double>;

/// A step that is over sooner is not worth a line of its own.
constexpr Seconds kWorthALine{1};
constexpr Seconds kBetweenDrawings{0.1};
/// Rates of the first moments say nothing.
constexpr Seconds kBeforeRate{0.5};

bool is_silent = false;

std::size_t terminal_width() {
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

/// "1:05:09", "0:07".
std::string clock_text(std::uint64_t seconds) {
  const std::uint64_t minutes = seconds / 60;
  if (minutes < 60) return fmt::format("{}:{:02}", minutes, seconds % 60);
  return fmt::format("{}:{:02}:{:02}", minutes / 60, minutes % 60, seconds % 60);
}

std::string shortened(const std::string& text, std::size_t width) {
  constexpr std::string_view kMark = "...";
  if (text.size() <= width) return text;
  return width <= kMark.size() ? std::string() : text.substr(0, width - kMark.size()).append(kMark);
}

std::string mebibytes(std::uint64_t bytes) {
  return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / (1 << 20));
}

}  // namespace

ProgressLine::ProgressLine() : is_shown_(!is_silent), is_terminal_(::isatty(STDERR_FILENO) == 1) {}

void ProgressLine::silence() noexcept {
  is_silent = true;
}

Context ProgressLine::attach(const Context& context) {
  if (!is_shown_) return context;
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

void ProgressLine::finish() {
  end_step();
  wipe();
  is_shown_ = false;
}

void ProgressLine::show(const std::string& what, std::uint64_t done, std::uint64_t total) {
  if (!is_shown_) return;
  if (what != step_ || done < done_) {
    end_step();
    begin_step(what);
    first_ = done;
  }
  done_ = done;
  if (is_terminal_) redraw(total);
}

void ProgressLine::begin_step(const std::string& what) {
  step_ = what;
  begin_ = Clock::now();
  drawn_ = {};
}

void ProgressLine::end_step() {
  if (step_.empty()) return;
  const Seconds took = Clock::now() - begin_;
  if (!is_terminal_ && is_shown_ && took >= kWorthALine) {
    const double rate = static_cast<double>(done_ - first_) / (1 << 20) / took.count();
    const std::string line = fmt::format("{}: {} in {:.1f} s, {:.1f} MiB/s\n", step_,
                                         mebibytes(done_), took.count(), rate);
    static_cast<void>(std::fputs(line.c_str(), stderr));
  }
  step_.clear();
}

void ProgressLine::redraw(std::uint64_t total) {
  const auto now = Clock::now();
  if (now - drawn_ < kBetweenDrawings && done_ != total) return;
  drawn_ = now;
  std::string line;
  if (total > 0) {
    line += fmt::format(
        "{}% ", static_cast<int>(100.0 * static_cast<double>(done_) / static_cast<double>(total)));
  }
  line += mebibytes(done_);
  const Seconds took = now - begin_;
  if (took >= kBeforeRate && done_ > first_) {
    const double rate = static_cast<double>(done_ - first_) / took.count();
    line += fmt::format(" {:.1f} MiB/s", rate / (1 << 20));
    if (total > done_)
      line += fmt::format(
          " {} left",
          clock_text(static_cast<std::uint64_t>(static_cast<double>(total - done_) / rate)));
  }
  const std::size_t width = terminal_width();
  line.insert(0, shortened(step_, width - std::min(width, line.size() + 2)) + " ");
  if (line == line_) return;
  line_ = line;
  static_cast<void>(std::fputs(("\r\x1b[K" + line).c_str(), stderr));
}

void ProgressLine::wipe() {
  if (line_.empty()) return;
  line_.clear();
  static_cast<void>(std::fputs("\r\x1b[K", stderr));
}

}  // namespace layerkit::cli
