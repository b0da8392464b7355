#include <memory>

#include "cli/commands.h"
#include "cli/image_argument.h"
#include "cli/image_target.h"
#include "cli/progress_line.h"
#include "cli/repeated_option.h"
#include "layerkit/imagetool/config_changes.h"
#include "layerkit/imagetool/image_rewrite.h"

namespace layerkit::cli {
namespace {

struct Options {
  ImageArgument image;
  ImageTarget target;
  ConfigChanges changes;
  std::string set_platform;
  std::string arch;
  std::string os;
};

void change(Session& session, Options& options) {
  const ImageDestination destination(options.target);
  if (!options.set_platform.empty()) {
    options.changes.platform = Platform::parse(options.set_platform);
  }
  ProgressLine line;
  const Context context = line.attach(session.context);
  const std::shared_ptr<ImageSource> source = open_image(session, options.image, context);
  if (!options.arch.empty() || !options.os.empty()) {
    Platform platform = options.changes.platform.value_or(source->image().platform());
    if (!options.arch.empty()) platform.variant.clear();
    if (!options.arch.empty()) platform.architecture = options.arch;
    if (!options.os.empty()) platform.os = options.os;
    options.changes.platform = Platform::parse(platform.str());
  }
  destination.put(session,
                  make_image(change_config(source->image(), options.changes), steps_of(source)),
                  context);
}

void add_list(CLI::App& command,
              const char* name,
              std::vector<std::string>& values,
              const char* help,
              const char* type) {
  add_repeated_option(command, name, values, help)->type_name(type);
}

void add_text(CLI::App& command,
              const char* name,
              std::optional<std::string>& value,
              const char* help,
              const char* type) {
  command
      .add_option_function<std::string>(
          name, [&value](const std::string& text) { value = text; }, help)
      ->type_name(type)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
}

void add_changes(CLI::App& command, ConfigChanges& changes) {
  add_list(command, "-e,--env", changes.env, "Set a variable", "NAME=VALUE");
  add_list(command, "--rm-env", changes.env_removed, "Remove a variable", "NAME");
  add_text(command, "--cmd", changes.cmd, "Command: a JSON array, or text for the shell",
           "COMMAND");
  add_text(command, "--entrypoint", changes.entrypoint,
           "Entrypoint: a JSON array, or text for the shell", "COMMAND");
  add_list(command, "-l,--label", changes.labels, "Set a label", "NAME=VALUE");
  add_list(command, "--rm-label", changes.labels_removed, "Remove a label", "NAME");
  add_text(command, "-u,--user", changes.user, "User", "USER[:GROUP]");
  add_text(command, "-w,--workdir", changes.working_dir, "Working directory", "DIR");
  add_list(command, "--expose", changes.exposed, "Expose a port", "PORT[/PROTOCOL]");
  add_list(command, "--rm-expose", changes.exposed_removed, "Do not expose a port",
           "PORT[/PROTOCOL]");
  add_list(command, "-v,--volume", changes.volumes, "Declare a volume", "PATH");
  add_list(command, "--rm-volume", changes.volumes_removed, "Do not declare a volume", "PATH");
  add_text(command, "--stop-signal", changes.stop_signal, "Signal that stops it", "SIGNAL");
  add_text(command, "--author", changes.author, "Author", "TEXT");
}

}  // namespace

void add_config(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("config", "Change an image's configuration")->group(kRewriting);
  command->footer(std::string("An empty text takes a setting away: --user ''. Removals come first, "
                              "-c last. Layers and history stay.\n\n") +
                  kImageTargetHelp + "\n\n" + kImageArgumentHelp);
  auto options = std::make_shared<Options>();
  add_changes(*command, options->changes);
  command->add_option("--set-platform", options->set_platform, "What the image says it is made for")
      ->type_name("OS/ARCH[/VARIANT]");
  command->add_option("--arch", options->arch, "Architecture, without a variant")
      ->type_name("ARCH");
  command->add_option("--os", options->os, "Operating system")->type_name("OS");
  add_change_option(*command, options->changes.instructions);
  add_image_target(*command, options->target);
  add_image_argument(*command, options->image);
  command->callback([&session, options] { change(session, *options); });
}

}  // namespace layerkit::cli
