#include <memory>
#include <regex>

#include "cli/commands.h"
#include "cli/output.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"

namespace layerkit::cli {
namespace {

struct Arguments {
  std::string id;
  bool force = false;
  bool is_pattern = false;
};

/// All containers whose names match; those that stand in the way are told.
void remove_matching(Session& session, const Arguments& arguments) {
  std::regex pattern;
  try {
    pattern = std::regex(arguments.id, std::regex::extended);
  } catch (const std::regex_error& error) {
    fail(Errc::Invalid, "reading pattern {}: {}", layerkit::quoted(arguments.id), error.what());
  }
  const Runtime runtime = session.runtime();
  for (const ContainerState& state : runtime.list(session.context)) {
    if (!std::regex_search(state.id, pattern)) continue;
    try {
      runtime.remove(state.id, arguments.force, session.context);
    } catch (const Error& error) {
      if (error.code() == Errc::Interrupted) throw;
      print_error(error.message());
      session.exit_code = session.failure_exit_code;
    }
  }
}

}  // namespace

void add_delete(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("delete",
                         "Delete a container that has stopped or was not started, and what it left")
          ->group(kContainers);
  auto arguments = std::make_shared<Arguments>();
  add_container(*command, arguments->id);
  command->add_flag("-f,--force", arguments->force,
                    "Kill it first; one that does not exist is no error");
  command->add_flag("-r,--regex", arguments->is_pattern,
                    "Delete all whose names match this extended regular expression");
  command->callback([&session, arguments] {
    if (arguments->is_pattern) {
      remove_matching(session, *arguments);
    } else {
      session.runtime().remove(arguments->id, arguments->force, session.context);
    }
  });
}

}  // namespace layerkit::cli
