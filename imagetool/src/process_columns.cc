#include "process_columns.h"

#include <fcntl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <ctime>

#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"
#include "time_format.h"

namespace layerkit {
namespace {

/// Longer command lines are cut.
constexpr std::size_t kMaxCommand = 4096;
constexpr std::size_t kMaxProcFile = 64 << 10;

/// At most `limit` bytes; nullopt when the process is gone.
std::optional<std::string> read_start(const std::string& path, std::size_t limit) {
  const auto file = open_at_if_exists(AT_FDCWD, path, O_RDONLY);
  if (!file) return std::nullopt;
  std::string bytes(limit, '\0');
  const auto count = ::read(file->get(), bytes.data(), bytes.size());
  const int err = errno;
  if (count < 0 && err == ESRCH) return std::nullopt;
  if (count < 0) fail_errno(err, "reading {}", quoted(path));
  bytes.resize(static_cast<std::size_t>(count));
  return bytes;
}

/// "Key:   value" of a file such as /proc/PID/status; the first number of the value.
std::uint64_t keyed_number(std::string_view text, std::string_view key, std::size_t index = 0) {
  for (std::string_view line : split(text, '\n')) {
    if (!line.starts_with(key)) continue;
    line.remove_prefix(key.size());
    for (const std::string_view word : split(line, '\t')) {
      for (const std::string_view part : split(word, ' ')) {
        const auto number = parse_decimal(part);
        if (number && index-- == 0) return *number;
      }
    }
  }
  return 0;
}

double uptime_seconds() {
  timespec time{};
  ::clock_gettime(CLOCK_BOOTTIME, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

/// "sh -c echo": the arguments end in NUL each.
std::string command_of(const std::string& arguments, const std::string& name) {
  std::string command = arguments;
  while (!command.empty() && command.back() == '\0')
    command.pop_back();
  for (char& byte : command) {
    if (byte == '\0') byte = ' ';
  }
  return command.empty() ? "[" + name + "]" : command;
}

bool take_stat(std::string_view text, ProcessFacts& facts) {
  const auto name_start = text.find('(');
  const auto name_end = text.rfind(')');
  if (name_start == std::string_view::npos || name_end == std::string_view::npos ||
      name_end + 2 > text.size()) {
    return false;
  }
  facts.name = text.substr(name_start + 1, name_end - name_start - 1);
  const auto fields = split(text.substr(name_end + 2), ' ');
  constexpr std::size_t kFirst = 3;  // the number of fields[0] in proc(5)
  if (fields.size() <= 24 - kFirst || fields[0].empty()) return false;
  const auto number = [&](std::size_t field) {
    return parse_decimal(fields[field - kFirst]).value_or(0);
  };
  static const auto kTicks = static_cast<double>(::sysconf(_SC_CLK_TCK));
  static const auto kPage = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  facts.state = fields[0][0];
  facts.parent = number(4);
  facts.group = number(5);
  facts.session = number(6);
  facts.terminal = number(7);
  facts.cpu_seconds = static_cast<double>(number(14) + number(15)) / kTicks;
  const std::string_view nice = fields[19 - kFirst];
  const bool is_negative = nice.starts_with('-');
  facts.nice = static_cast<std::int64_t>(parse_decimal(nice.substr(is_negative)).value_or(0));
  if (is_negative) facts.nice = -facts.nice;
  facts.threads = number(20);
  facts.age_seconds = std::max(0.0, uptime_seconds() - static_cast<double>(number(22)) / kTicks);
  facts.virtual_bytes = number(23);
  facts.resident_bytes = number(24) * kPage;
  return true;
}

std::string clock_text(double seconds) {
  const auto all = static_cast<std::uint64_t>(seconds);
  const auto days = all / 86400;
  return fmt::format("{}{:02}:{:02}:{:02}", days > 0 ? fmt::format("{}-", days) : "",
                     all / 3600 % 24, all / 60 % 60, all % 60);
}

/// Of today: its time; else the day.
std::string start_text(const ProcessFacts& process, const Machine& machine) {
  const std::time_t then = machine.now - static_cast<std::int64_t>(process.age_seconds);
  const std::time_t now = machine.now;
  std::tm started{};
  std::tm today{};
  ::localtime_r(&then, &started);
  ::localtime_r(&now, &today);
  const bool is_today = started.tm_yday == today.tm_yday && started.tm_year == today.tm_year;
  std::array<char, 32> text{};
  const auto size = std::strftime(text.data(), text.size(), is_today ? "%H:%M" : "%b%d", &started);
  return {text.data(), size};
}

std::string terminal_text(const ProcessFacts& process, const Machine& /*machine*/) {
  if (process.terminal == 0) return "?";
  const auto device = static_cast<dev_t>(process.terminal);
  const unsigned number = minor(device);
  const unsigned kind = major(device);
  if (kind >= 136 && kind <= 143) return fmt::format("pts/{}", number + (kind - 136) * 256);
  if (kind == 4) return fmt::format("tty{}", number);
  return fmt::format("{}:{}", kind, number);
}

std::string user_text(const ProcessFacts& process, const Machine& machine) {
  const auto found = machine.users.find(process.uid);
  return found == machine.users.end() ? std::to_string(process.uid) : escaped(found->second);
}

double cpu_percent(const ProcessFacts& process) {
  return process.age_seconds < 1 ? 0.0 : 100 * process.cpu_seconds / process.age_seconds;
}

double memory_percent(const ProcessFacts& process, const Machine& machine) {
  if (machine.memory_bytes == 0) return 0;
  return 100 * static_cast<double>(process.resident_bytes) /
         static_cast<double>(machine.memory_bytes);
}

using Facts = const ProcessFacts&;
using Host = const Machine&;

constexpr ProcessColumn kColumns[] = {
    {"pid", "PID", [](Facts p, Host) { return std::to_string(p.pid); }},
    {"ppid", "PPID", [](Facts p, Host) { return std::to_string(p.parent); }},
    {"pgid", "PGID", [](Facts p, Host) { return std::to_string(p.group); }},
    {"pgrp", "PGRP", [](Facts p, Host) { return std::to_string(p.group); }},
    {"sid", "SID", [](Facts p, Host) { return std::to_string(p.session); }},
    {"uid", "UID", [](Facts p, Host) { return std::to_string(p.uid); }},
    {"euid", "EUID", [](Facts p, Host) { return std::to_string(p.uid); }},
    {"gid", "GID", [](Facts p, Host) { return std::to_string(p.gid); }},
    {"user", "USER", user_text},
    {"euser", "EUSER", user_text},
    {"tty", "TTY", terminal_text},
    {"tt", "TT", terminal_text},
    {"tname", "TTY", terminal_text},
    {"time", "TIME", [](Facts p, Host) { return clock_text(p.cpu_seconds); }},
    {"cputime", "TIME", [](Facts p, Host) { return clock_text(p.cpu_seconds); }},
    {"etime", "ELAPSED", [](Facts p, Host) { return clock_text(p.age_seconds); }},
    {"stime", "STIME", start_text},
    {"start", "START", start_text},
    {"c", "C", [](Facts p, Host) { return fmt::format("{:.0f}", cpu_percent(p)); }},
    {"%cpu", "%CPU", [](Facts p, Host) { return fmt::format("{:.1f}", cpu_percent(p)); }},
    {"pcpu", "%CPU", [](Facts p, Host) { return fmt::format("{:.1f}", cpu_percent(p)); }},
    {"%mem", "%MEM", [](Facts p, Host m) { return fmt::format("{:.1f}", memory_percent(p, m)); }},
    {"pmem", "%MEM", [](Facts p, Host m) { return fmt::format("{:.1f}", memory_percent(p, m)); }},
    {"rss", "RSS", [](Facts p, Host) { return std::to_string(p.resident_bytes / 1024); }},
    {"vsz", "VSZ", [](Facts p, Host) { return std::to_string(p.virtual_bytes / 1024); }},
    {"stat", "STAT", [](Facts p, Host) { return std::string(1, p.state); }},
    {"state", "S", [](Facts p, Host) { return std::string(1, p.state); }},
    {"s", "S", [](Facts p, Host) { return std::string(1, p.state); }},
    {"ni", "NI", [](Facts p, Host) { return std::to_string(p.nice); }},
    {"nice", "NI", [](Facts p, Host) { return std::to_string(p.nice); }},
    {"nlwp", "NLWP", [](Facts p, Host) { return std::to_string(p.threads); }},
    {"comm", "COMMAND", [](Facts p, Host) { return escaped(p.name); }},
    {"args", "COMMAND", [](Facts p, Host) { return escaped(p.command); }},
    {"cmd", "CMD", [](Facts p, Host) { return escaped(p.command); }},
    {"command", "COMMAND", [](Facts p, Host) { return escaped(p.command); }},
};

}  // namespace

std::optional<ProcessFacts> read_process(pid_t pid) {
  const std::string directory = fmt::format("/proc/{}/", pid);
  const auto stat = read_start(directory + "stat", kMaxProcFile);
  const auto status = read_start(directory + "status", kMaxProcFile);
  const auto arguments = read_start(directory + "cmdline", kMaxCommand);
  ProcessFacts facts;
  facts.pid = pid;
  if (!stat || !status || !arguments || !take_stat(*stat, facts)) return std::nullopt;
  facts.uid = keyed_number(*status, "Uid:", 1);
  facts.gid = keyed_number(*status, "Gid:", 1);
  facts.command = command_of(*arguments, facts.name);
  return facts;
}

Machine read_machine() {
  Machine machine;
  machine.now = current_time().seconds;
  machine.memory_bytes =
      keyed_number(read_start("/proc/meminfo", kMaxProcFile).value_or(""), "MemTotal:") * 1024;
  const std::string users = read_start("/etc/passwd", kMaxProcFile).value_or("");
  for (const std::string_view line : split(users, '\n')) {
    const auto fields = split(line, ':');
    const auto uid = fields.size() > 2 ? parse_decimal(fields[2]) : std::nullopt;
    if (uid) machine.users.emplace(*uid, fields[0]);
  }
  return machine;
}

const ProcessColumn* find_process_column(std::string_view name) {
  for (const ProcessColumn& column : kColumns) {
    if (column.name == name) return &column;
  }
  return nullptr;
}

}  // namespace layerkit
