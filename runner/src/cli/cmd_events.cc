#include <poll.h>
#include <time.h>

#include <memory>

#include "cli/commands.h"
#include "cli/output.h"
#include "cli/stats_json.h"
#include "layerkit/base/error.h"
#include "layerkit/base/fd.h"
#include "layerkit/base/text.h"

namespace layerkit::cli {
namespace {

struct Arguments {
  std::string id;
  bool stats = false;
  std::string interval = "5s";
};

/// "5s", "1m30s", "500ms": Go's durations, in milliseconds.
int parse_duration(const std::string& text) {
  std::string_view rest = text;
  double sum = 0;
  while (!rest.empty()) {
    const std::size_t end = rest.find_first_not_of("0123456789");
    const auto number = parse_decimal(rest.substr(0, end));
    if (!number || *number > 1'000'000'000 || end == std::string_view::npos) break;
    rest.remove_prefix(end);
    const std::size_t next = std::min(rest.find_first_of("0123456789"), rest.size());
    const std::string_view unit = rest.substr(0, next);
    rest.remove_prefix(next);
    const double factor = unit == "ms"  ? 1
                          : unit == "s" ? 1e3
                          : unit == "m" ? 60e3
                          : unit == "h" ? 3600e3
                                        : 0;
    if (factor == 0) break;
    sum += static_cast<double>(*number) * factor;
  }
  if (!rest.empty() || sum < 1 || sum > 1e9)
    fail(Errc::Invalid, "reading interval {}: not a duration such as 5s or 500ms",
         layerkit::quoted(text));
  return static_cast<int>(sum);
}

/// While the process lives: waits that long for its end.
bool has_ended(const Fd& process, int milliseconds) {
  pollfd poll{process.get(), POLLIN, 0};
  return ::poll(&poll, 1, milliseconds) > 0;
}

class Watch {
 public:
  Watch(const Runtime& runtime, const std::string& id)
      : runtime_(runtime), id_(id), process_(runtime.first_process(id)) {}

  /// False when the container has ended.
  bool tell(int interval, const Context& context) {
    try {
      tell_memory();
      print_line(stats_event(id_, runtime_.stats(id_)));
    } catch (const Error&) {
      // Somebody may have deleted it meanwhile.
      if (has_ended(process_, 0)) return false;
      throw;
    }
    flush_output();
    if (!has_ended(process_, interval)) {
      context.check_interrupted();
      return true;
    }
    try {
      tell_memory();  // perhaps it ended of that
    } catch (const Error&) {
    }
    return false;
  }

 private:
  void tell_memory() {
    const bool is_out = runtime_.out_of_memory(id_);
    if (is_out && !was_told_) print_line(oom_event(id_));
    was_told_ = is_out;
  }

  const Runtime& runtime_;
  const std::string& id_;
  Fd process_;
  bool was_told_ = false;
};

void check_runs(const Runtime& runtime, const std::string& id) {
  if (runtime.state(id).status == ContainerStatus::Stopped)
    fail(Errc::Invalid, "container not running: {}", layerkit::quoted(id));
}

void watch(Session& session, const Arguments& arguments) {
  const int interval = parse_duration(arguments.interval);
  const Runtime runtime = session.runtime();
  check_runs(runtime, arguments.id);
  Watch watch(runtime, arguments.id);
  while (watch.tell(interval, session.context)) {
  }
}

}  // namespace

void add_events(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("events", "Print what a container uses, and when it runs out of memory")
          ->group(kProcesses);
  auto arguments = std::make_shared<Arguments>();
  add_container(*command, arguments->id);
  command->add_flag("--stats", arguments->stats, "Print once what it uses");
  command->add_option("--interval", arguments->interval, "Time between two lines")
      ->type_name("DURATION")
      ->default_str("5s");
  command->callback([&session, arguments] {
    if (!arguments->stats) {
      watch(session, *arguments);
      return;
    }
    const Runtime runtime = session.runtime();
    check_runs(runtime, arguments->id);
    print_line(stats_event(arguments->id, runtime.stats(arguments->id)));
  });
}

}  // namespace layerkit::cli
