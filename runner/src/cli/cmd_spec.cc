#include <fcntl.h>

#include <memory>

#include "cli/commands.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"
#include "layerkit/runner/documents.h"

namespace layerkit::cli {
namespace {

constexpr const char* kConfig = "config.json";

void write_config(const std::string& bundle, bool rootless) {
  const Fd directory = open_at(AT_FDCWD, bundle, O_PATH | O_DIRECTORY);
  if (stat_at(directory.get(), kConfig)) {
    fail(Errc::Exists, "File {} exists. Remove it first",
         bundle == "." ? kConfig : layerkit::quoted(bundle + "/" + kConfig));
  }
  write_file_at(directory.get(), kConfig, example_config(rootless), 0666);
}

}  // namespace

void add_spec(CLI::App& app, Session& /*session*/) {
  CLI::App* command =
      app.add_subcommand("spec", "Write a config.json to start from")->group(kSystem);
  struct Arguments {
    std::string bundle = ".";
    bool rootless = false;
  };
  auto arguments = std::make_shared<Arguments>();
  command->add_option("-b,--bundle", arguments->bundle, "Directory of the bundle")
      ->type_name("DIR")
      ->default_str(".");
  command->add_flag("--rootless", arguments->rootless, "For an ordinary user");
  command->callback([arguments] { write_config(arguments->bundle, arguments->rootless); });
}

}  // namespace layerkit::cli
