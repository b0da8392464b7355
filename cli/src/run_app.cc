#include "cli/run_app.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <new>
#include <numeric>

#include "cli/command_line.h"
#include "cli/help.h"
#include "cli/output.h"
#include "layerkit/base/text.h"

namespace layerkit::cli {
namespace {

/// Levenshtein distance: how many letters to change, add or leave out.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t changed = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({changed, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

/// The visible command that is most like `word`, or nothing when none is close.
std::string suggestion(const CLI::App& app, std::string_view word) {
  constexpr std::size_t kFarthest = 2;
  const std::vector<const CLI::App*> commands = visible_commands(app);
  const auto distance = [&](const CLI::App* command) {
    return edit_distance(word, command->get_name());
  };
  const auto nearest = std::ranges::min_element(commands, {}, distance);
  if (nearest == commands.end() || distance(*nearest) > kFarthest) return {};
  return (*nearest)->get_name();
}

/// The innermost command that the command line named.
const CLI::App& parsed_command(const CLI::App& app) {
  const std::vector<CLI::App*> subcommands = app.get_subcommands();
  return subcommands.empty() ? app : parsed_command(*subcommands.front());
}

/// What was left over, in docker's words.
std::string describe_extras(const CLI::App& app, const CLI::App& command) {
  const std::vector<std::string> extras = app.remaining(true);
  const std::string first = extras.empty() ? std::string() : extras.front();
  if (first.starts_with('-')) return fmt::format("unknown flag: {}", layerkit::quoted(first));
  if (&command != &app) return fmt::format("unexpected argument: {}", layerkit::quoted(first));
  const std::string like = suggestion(app, first);
  // "an imagetool", "a unionmount", "a runner"
  const std::string_view article = app.get_name().find_first_of("aeio") == 0 ? "an" : "a";
  return fmt::format("{} is not {} {} command{}", layerkit::quoted(first), article, app.get_name(),
                     like.empty() ? "" : fmt::format("; did you mean '{}'?", like));
}

std::string describe(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App& command = parsed_command(app);
  if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::ExtrasError)) {
    return describe_extras(app, command);
  }
  if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::RequiredError) &&
      &command != &app) {
    return fmt::format("{}: {}", command.get_name(), error.what());
  }
  return error.what();
}

void report_usage(const CLI::App& app, const CLI::ParseError& error) {
  print_error(describe(app, error));
  const std::string hint =
      fmt::format("Run '{} --help' for more information.\n", full_command(parsed_command(app)));
  static_cast<void>(std::fwrite(hint.data(), 1, hint.size(), stderr));
}

/// Parses; the callback of the subcommand runs inside.
int parse_and_run(CLI::App& app, RunState& state, int argc, const char* const* argv) {
  try {
    CommandLine line = prepare_command_line(app, {argv + 1, argv + argc});
    state.command_arguments = std::move(line.command);
    std::ranges::reverse(line.arguments);  // as CLI11 wants a vector
    app.parse(std::move(line.arguments));
    if (app.get_subcommands().empty()) print(app.help());
  } catch (const CLI::CallForHelp&) {
    print(parsed_command(app).help());
  } catch (const CLI::CallForVersion& version) {
    print_line(version.what());
  } catch (const CLI::ParseError& error) {
    report_usage(app, error);
    return state.usage_exit_code;
  }
  flush_output();
  return state.exit_code;
}

void report_failure(const RunState& state, const Error& error) {
  // The reader of a pipe that has gone (`imagetool images | head -1`) needs no message.
  if (error.sys_errno() == EPIPE) return;
  print_error(error.message());
  if (state.debug && error.sys_errno() != 0) {
    print_error(
        fmt::format("debug: errno {} ({})", error.sys_errno(), errno_text(error.sys_errno())));
  }
}

}  // namespace

void reserve_standard_descriptors() {
  for (int fd = 0; fd <= 2; ++fd) {
    if (::fcntl(fd, F_GETFD) >= 0) continue;
    // The lowest free descriptor is `fd`: all below are open by now.
    if (::open("/dev/null", O_RDWR) != fd) std::abort();  // NOLINT(android-cloexec-open)
  }
}

int run_app(CLI::App& app, RunState& state, int argc, const char* const* argv) {
  try {
    return parse_and_run(app, state, argc, argv);
  } catch (const Error& error) {
    report_failure(state, error);
  } catch (const std::bad_alloc&) {
    print_error("out of memory");
  } catch (const std::exception& error) {
    print_error(fmt::format("internal error: {}", error.what()));
  }
  return state.failure_exit_code;
}

}  // namespace layerkit::cli
