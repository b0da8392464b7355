#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <memory>
#include <thread>

#include "cli/commands.h"
#include "cli/output.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/container_log.h"
#include "layerkit/imagetool/container_store.h"
#include "time_format.h"

namespace layerkit::cli {
namespace {

struct LogsOptions {
  bool follow = false;
  bool timestamps = false;
  std::string tail = "all";
  std::string since;
  std::string container;
};

/// nullopt: all lines.
std::optional<std::uint64_t> parse_tail(const std::string& text) {
  if (text == "all" || text == "-1") return std::nullopt;
  const auto count = parse_decimal(text);
  if (!count) fail(Errc::Invalid, "invalid number of lines: {}", layerkit::quoted(text));
  return count;
}

/// RFC 3339, seconds since the epoch, or an age such as "90s", "10m", "2h".
Timestamp parse_since(const std::string& text) {
  if (const auto time = parse_rfc3339(text)) return *time;
  if (const auto seconds = parse_decimal(text)) {
    return {static_cast<std::int64_t>(std::min<std::uint64_t>(*seconds, INT64_MAX)), 0};
  }
  const auto count = parse_decimal(std::string_view(text).substr(0, text.size() - 1));
  const auto unit = std::string_view("smh").find(text.empty() ? '\0' : text.back());
  if (!count || *count > INT32_MAX || unit == std::string_view::npos) {
    fail(Errc::Invalid, "invalid time: {}", layerkit::quoted(text));
  }
  constexpr std::int64_t kSeconds[] = {1, 60, 3600};
  Timestamp time = current_time();
  time.seconds -= static_cast<std::int64_t>(*count) * kSeconds[unit];
  return time;
}

class LogPrinter {
 public:
  explicit LogPrinter(const LogsOptions& options) : options_(options) {
    if (!options.since.empty()) since_ = parse_since(options.since);
  }

  bool takes(const LogLine& line) const {
    const auto time = parse_rfc3339(line.time);
    return !since_ || !time || *time >= *since_;
  }

  /// Both streams of the container go to the like streams of ours.
  void print_log(const LogLine& line) const {
    const std::string text = options_.timestamps ? line.time + " " + line.text : line.text;
    if (line.stream == LogStream::Output) {
      print(text);
    } else {
      flush_output();
      write_all(STDERR_FILENO, text, "standard error");
    }
  }

 private:
  const LogsOptions& options_;
  std::optional<Timestamp> since_;
};

/// What the log holds now; the last `tail` lines of it.
void print_present(LogReader& reader,
                   const LogPrinter& printer,
                   const std::optional<std::uint64_t>& tail,
                   const Context& context) {
  std::deque<LogLine> last;
  while (auto line = reader.next()) {
    context.check_interrupted();
    if (!printer.takes(*line)) continue;
    if (!tail) {
      printer.print_log(*line);
      continue;
    }
    last.push_back(std::move(*line));
    if (last.size() > *tail) last.pop_front();
  }
  for (const auto& line : last)
    printer.print_log(line);
}

void print_growth(LogReader& reader,
                  const LogPrinter& printer,
                  const ContainerStore& store,
                  const std::string& id,
                  const Context& context) {
  for (;;) {
    flush_output();
    context.check_interrupted();
    const auto state = store.state(id);
    // Asked before the log is read: all that was logged until the end is then still shown.
    const bool ended = !state || state->status == ContainerStatus::Exited;
    while (const auto line = reader.next()) {
      if (printer.takes(*line)) printer.print_log(*line);
    }
    if (ended) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

void print_logs(Session& session, const LogsOptions& options) {
  const auto tail = parse_tail(options.tail);
  const LogPrinter printer(options);
  const ContainerStore store(session.store_with("container", options.container));
  const ContainerInfo info = store.find(options.container);
  LogReader reader(open_at(store.directory(info.id).get(), "log", O_RDONLY | O_NOFOLLOW));
  print_present(reader, printer, tail, session.context);
  if (options.follow) print_growth(reader, printer, store, info.id, session.context);
}

}  // namespace

void add_logs(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("logs", "Fetch the logs of a container")->group(kContainers);
  auto options = std::make_shared<LogsOptions>();
  command->add_flag("-f,--follow", options->follow, "Follow log output");
  command
      ->add_option("--since", options->since,
                   "Show logs since a time (2024-01-02T13:23:37Z) or an age (42m)")
      ->type_name("TIME");
  command->add_option("-n,--tail", options->tail, "Number of lines to show from the end")
      ->type_name("N");
  command->add_flag("-t,--timestamps", options->timestamps, "Show timestamps");
  command->add_option("container", options->container, "Container")
      ->type_name("CONTAINER")
      ->required();
  command->callback([&session, options] { print_logs(session, *options); });
}

}  // namespace layerkit::cli
