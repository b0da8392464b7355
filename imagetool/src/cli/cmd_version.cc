#include <fmt/format.h>
#include <sys/utsname.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/output.h"
#include "layerkit/imagetool/image.h"

namespace layerkit::cli {
namespace {

nlohmann::ordered_json version_facts() {
  utsname names{};
  if (::uname(&names) != 0) fail_errno(errno, "reading the name of this machine");
  const Platform host = Platform::host();
  return {{"Version", LAYERKIT_VERSION},
          {"Os", host.os},
          {"Arch", host.architecture},
          {"KernelVersion", names.release}};
}

void print_version(const std::string& format) {
  const nlohmann::ordered_json facts = version_facts();
  if (format == "json") {
    print_line(facts.dump());
    return;
  }
  print_line(fmt::format("Version:         {}", facts["Version"].get<std::string>()));
  print_line(fmt::format("OS/Arch:         {}/{}", facts["Os"].get<std::string>(),
                         facts["Arch"].get<std::string>()));
  print_line(fmt::format("Kernel version:  {}", facts["KernelVersion"].get<std::string>()));
}

}  // namespace

void add_version(CLI::App& app, Session& /*session*/) {
  CLI::App* command = app.add_subcommand("version", "Show version information")->group(kSystem);
  auto format = std::make_shared<std::string>();
  command->add_option("-f,--format", *format, "Format output: 'json'")->type_name("FORMAT");
  command->callback([format] { print_version(*format); });
}

}  // namespace layerkit::cli
