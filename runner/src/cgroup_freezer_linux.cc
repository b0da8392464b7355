#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "cgroup_files.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"

namespace layerkit::runner {
namespace {

constexpr int kFreezeSeconds = 10;
constexpr int kAttemptsAtOnce = 50;

constexpr const char* kStateV1 = "freezer.state";
constexpr const char* kStateV2 = "cgroup.freeze";

std::string state_v1(int directory) {
  std::string state = read_control(directory, kStateV1).value_or("");
  while (state.ends_with('\n'))
    state.pop_back();
  return state;
}

[[noreturn]] void fail_state(int error, const char* doing, const std::string& path) {
  if (error == ENOENT) {
    fail(Errc::Unsupported, "{} cgroup {}: this system has no freezer for it", doing, quoted(path));
  }
  fail_errno(error, "{} cgroup {}", doing, quoted(path));
}

/// The number behind `key` in the open cgroup.events; nullopt when it cannot be read any more.
std::optional<std::uint64_t> read_event(int events, std::string_view key) noexcept {
  std::array<char, 256> buffer{};
  const ssize_t size = ::pread(events, buffer.data(), buffer.size(), 0);
  if (size < 0) return std::nullopt;
  std::string_view text(buffer.data(), static_cast<std::size_t>(size));
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    if (line.size() > key.size() && line.starts_with(key) && line[key.size()] == ' ') {
      return parse_decimal(line.substr(key.size() + 1));
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return std::nullopt;
}

}  // namespace

// v1 has no notification, and misses processes that are forked or moved in while it freezes
// (freezer-subsystem.txt): it is asked again, and now and then started over.
void freeze_v1(int directory, const std::string& path) {
  const Deadline deadline(kFreezeSeconds);
  for (int attempt = 1; !deadline.has_passed(); ++attempt) {
    if (const int error = write_control(directory, kStateV1, "FROZEN")) {
      write_control(directory, kStateV1, "THAWED");
      fail_state(error, "freezing", path);
    }
    const std::string state = state_v1(directory);
    if (state == "FROZEN") return;
    if (state != "FREEZING") {
      fail(Errc::Io, "freezing cgroup {}: its state is {}", quoted(path), quoted(state));
    }
    if (attempt % kAttemptsAtOnce == 0) write_control(directory, kStateV1, "THAWED");
    if (attempt > 1) pause_briefly();
  }
  write_control(directory, kStateV1, "THAWED");
  fail(Errc::Busy, "freezing cgroup {}: unable to freeze within {} seconds", quoted(path),
       kFreezeSeconds);
}

void thaw_v1(int directory, const std::string& path) {
  if (const int error = write_control(directory, kStateV1, "THAWED"))
    fail_state(error, "thawing", path);
}

bool is_frozen_v1(int directory) noexcept {
  // Without processes it says FROZEN at once; while they are being stopped, FREEZING.
  return read_control(directory, kStateV1).value_or("THAWED\n") != "THAWED\n";
}

// From the second round on, what is left is frozen while it is listed, so that nothing forks away;
// then thawed, since v1 keeps even SIGKILL from frozen processes.
void kill_v1(int directory, bool has_freezer, const Deadline& deadline) noexcept {
  for (int round = 0;; ++round) {
    if (has_freezer && round > 0) write_control(directory, kStateV1, "FROZEN");
    const std::size_t killed = signal_processes(directory, SIGKILL);
    if (killed == 0 && round == 0) return;
    if (has_freezer) {
      for_each_cgroup(directory, [](int each) { write_control(each, kStateV1, "THAWED"); });
    }
    if (killed == 0 || deadline.has_passed()) return;
    pause_briefly();
  }
}

void freeze_v2(int directory, const std::string& path) {
  if (const int error = write_control(directory, kStateV2, "1"))
    fail_state(error, "freezing", path);
  if (await_event_v2(directory, "frozen", 1, Deadline(kFreezeSeconds))) return;
  write_control(directory, kStateV2, "0");
  fail(Errc::Busy, "freezing cgroup {}: unable to freeze within {} seconds", quoted(path),
       kFreezeSeconds);
}

void thaw_v2(int directory, const std::string& path) {
  if (const int error = write_control(directory, kStateV2, "0")) fail_state(error, "thawing", path);
}

bool is_frozen_v2(int directory) noexcept {
  const Fd events(::openat(directory, "cgroup.events", O_RDONLY | O_CLOEXEC));
  return events && read_event(events.get(), "frozen") == 1U;
}

// cgroup.kill (Linux 5.14) takes everything below at once, frozen or not; older kernels are asked
// repeatedly, and let frozen processes be killed, too.
void kill_v2(int directory, const Deadline& deadline) noexcept {
  while (write_control(directory, "cgroup.kill", "1") != 0) {
    if (signal_processes(directory, SIGKILL) == 0 || deadline.has_passed()) return;
    pause_briefly();
  }
}

bool await_event_v2(int directory,
                    std::string_view key,
                    std::uint64_t value,
                    const Deadline& deadline) noexcept {
  const Fd events(::openat(directory, "cgroup.events", O_RDONLY | O_CLOEXEC));
  if (!events) return false;
  for (;;) {
    const std::optional<std::uint64_t> now = read_event(events.get(), key);
    if (!now || *now == value) return now.has_value();
    pollfd waited{events.get(), POLLPRI, 0};
    const int left = deadline.left_ms();
    if (left == 0) return false;
    if (::poll(&waited, 1, left) < 0 && errno != EINTR) return false;
  }
}

}  // namespace layerkit::runner
