#include <memory>

#include "cli/commands.h"
#include "cli/output.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/container_store.h"

namespace layerkit::cli {
namespace {

std::string host_side(const PortMapping& port) {
  const std::string address = port.host_ip.empty() ? "0.0.0.0" : port.host_ip;
  const bool is_v6 = address.find(':') != std::string::npos;
  return fmt::format("{}:{}", is_v6 ? "[" + address + "]" : address, port.host_port);
}

void print_ports(Session& session, const std::string& name, const std::string& asked) {
  const ContainerStore store(session.store_with("container", name));
  const ContainerInfo container = store.find(name);
  const auto state = store.state(container.id);
  const bool runs = state && state->status == ContainerStatus::Running;
  const std::string wanted =
      asked.empty() || asked.find('/') != std::string::npos ? asked : asked + "/tcp";
  bool found = false;
  for (const PortMapping& port : container.options.ports) {
    const std::string inside = fmt::format("{}/{}", port.container_port, port.protocol);
    if (!runs || (!wanted.empty() && inside != wanted)) continue;
    found = true;
    print_line(wanted.empty() ? inside + " -> " + host_side(port) : host_side(port));
  }
  if (!found && !wanted.empty()) {
    fail(Errc::NotFound, "no public port {} published for {}", layerkit::quoted(wanted),
         escaped(name));
  }
}

}  // namespace

void add_port(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("port", "List port mappings or a specific mapping for a container")
          ->group(kContainers);
  struct Options {
    std::string container;
    std::string port;
  };
  auto options = std::make_shared<Options>();
  command->add_option("container", options->container, "Container")
      ->type_name("CONTAINER")
      ->required();
  command->add_option("port", options->port, "Port in the container")
      ->type_name("PRIVATE_PORT[/PROTO]");
  command->callback(
      [&session, options] { print_ports(session, options->container, options->port); });
}

}  // namespace layerkit::cli
