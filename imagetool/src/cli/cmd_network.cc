#include <fcntl.h>
#include <unistd.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/listing.h"
#include "cli/output.h"
#include "cni/cni_network.h"
#include "cni/cni_plugin.h"
#include "container_network.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/container_store.h"
#include "layerkit/imagetool/option_values.h"

namespace layerkit::cli {
namespace {

using nlohmann::ordered_json;

struct NamedList {
  std::string path;
  std::string text;
  CniNetwork network;
};

std::vector<NamedList> read_lists() {
  constexpr std::size_t kMaxBytes = 1 << 20;
  const std::string directory = cni_config_directory();
  std::vector<NamedList> lists;
  for (const auto& file : list_cni_files(directory)) {
    NamedList list;
    list.path = directory + "/" + file;
    list.text = read_file_at(AT_FDCWD, list.path, kMaxBytes);
    list.network = parse_cni_network(list.text, layerkit::quoted(list.path));
    lists.push_back(std::move(list));
  }
  return lists;
}

/// "10.1.0.0/16"
std::string parse_subnet(const std::string& text) {
  const auto parts = split(text, '/');
  const std::uint64_t prefix = parts.size() == 2 ? parse_decimal(parts[1]).value_or(0) : 0;
  const std::uint64_t most = text.find(':') == std::string::npos ? 32 : 128;
  if (prefix == 0 || prefix > most)
    fail(Errc::Invalid, "invalid subnet {}: it is not ADDRESS/PREFIX", layerkit::quoted(text));
  parse_address(parts[0]);
  return text;
}

/// One that no other list has.
std::string choose_subnet(const std::vector<NamedList>& lists) {
  for (int number = 0; number < 256; ++number) {
    const std::string subnet = fmt::format("10.89.{}.0/24", number);
    const bool is_taken = std::any_of(lists.begin(), lists.end(), [&](const NamedList& list) {
      return list.text.find(subnet) != std::string::npos;
    });
    if (!is_taken) return subnet;
  }
  fail(Errc::Limit, "creating a network: no subnet of 10.89.0.0/16 is free, give one by --subnet");
}

void create_network(const std::string& name, const std::string& subnet) {
  check_cni_name(name);
  if (name == "none" || name == "host")
    fail(Errc::Exists, "network with name {} already exists", name);
  const auto lists = read_lists();
  for (const auto& list : lists)
    if (list.network.name == name) fail(Errc::Exists, "network with name {} already exists", name);
  const std::string directory = cni_config_directory();
  make_dirs(directory, 0755);
  const Fd opened = open_dir_at(AT_FDCWD, directory);
  const std::string text = default_cni_network(
      name, "br-" + random_hex(12), subnet.empty() ? choose_subnet(lists) : parse_subnet(subnet));
  write_file_at(opened.get(), name + ".conflist", text, 0644);
  print_line(name);
}

void add_create(CLI::App& network) {
  CLI::App* command = network.add_subcommand(
      "create", "Create a network: a bridge with addresses and published ports, by CNI plugins");
  struct Options {
    std::string name;
    std::string subnet;
  };
  auto options = std::make_shared<Options>();
  command->add_option("--subnet", options->subnet, "Subnet in CIDR format (default: a free one)")
      ->type_name("SUBNET");
  command->add_option("network", options->name, "Name of the network")
      ->type_name("NETWORK")
      ->required();
  command->callback([options] { create_network(options->name, options->subnet); });
}

ordered_json row_of(const std::string& name, const std::string& driver, const std::string& file) {
  return {{"Name", name}, {"Driver", driver}, {"Scope", "local"}, {"File", file}};
}

void add_ls(CLI::App& network) {
  CLI::App* command = network.add_subcommand("ls", "List networks");
  auto choice = std::make_shared<ListingChoice>();
  add_format_option(*command, choice->format);
  command->add_flag("-q,--quiet", choice->quiet, "Only display names");
  command->callback([choice] {
    static const ListingStyle kStyle{
        {{"Name", "NAME"}, {"Driver", "DRIVER"}, {"Scope", "SCOPE"}, {"File", "FILE"}},
        "{{.Name}}\t{{.Driver}}\t{{.Scope}}\t{{.File}}",
        "Name"};
    std::vector<ordered_json> rows;
    for (const auto& list : read_lists()) {
      rows.push_back(row_of(list.network.name,
                            list.network.plugins.front().at("type").get<std::string>(), list.path));
    }
    rows.push_back(row_of("host", "host", ""));
    rows.push_back(row_of("none", "null", ""));
    print(render_listing(kStyle, *choice, rows));
  });
}

/// Who runs in it would lose its configuration.
void check_unused(Session& session, const std::string& name) {
  if (!session.has_store()) return;
  ContainerStore store(session.store());
  for (const auto& container : store.list()) {
    const auto state = store.state(container.id);
    const bool is_in_it = container.options.network_name == name && state &&
                          state->status == ContainerStatus::Running;
    if (is_in_it) {
      fail(Errc::Busy, "error while removing network: network {} has active endpoints ({})", name,
           container.name);
    }
  }
}

void add_network_rm(CLI::App& network, Session& session) {
  CLI::App* command = network.add_subcommand("rm", "Remove networks");
  auto names = std::make_shared<std::vector<std::string>>();
  command->add_option("network", *names, "Network")->type_name("NETWORK")->required();
  command->callback([&session, names] {
    for (const auto& name : *names) {
      const auto lists = read_lists();
      const auto found = std::find_if(lists.begin(), lists.end(), [&](const NamedList& list) {
        return list.network.name == name;
      });
      if (found == lists.end())
        fail(Errc::NotFound, "network {} not found", layerkit::quoted(name));
      check_unused(session, name);
      if (::unlink(found->path.c_str()) != 0)
        fail_errno(errno, "removing {}", layerkit::quoted(found->path));
      print_line(name);
    }
  });
}

void add_network_check(CLI::App& network, Session& session) {
  CLI::App* command =
      network.add_subcommand("check", "Ask the plugins whether a container is connected");
  auto name = std::make_shared<std::string>();
  command->add_option("container", *name, "Container")->type_name("CONTAINER")->required();
  command->callback([&session, name] {
    ContainerStore store(session.store_with("container", *name));
    const auto container = store.find(*name);
    const auto attachment = find_network(store, container.id);
    if (!attachment || attachment->result.is_null())
      fail(Errc::NotFound, "container {} is connected to no network", container.name);
    cni_check(*attachment);
  });
}

}  // namespace

void add_network(CLI::App& app, Session& session) {
  CLI::App* network =
      app.add_subcommand(
             "network", "Manage networks of containers: CNI lists in /etc/cni/net.d or NETCONFPATH")
          ->group(kContainers);
  network->require_subcommand(1);
  add_create(*network);
  add_ls(*network);
  add_network_rm(*network, session);
  add_network_check(*network, session);
}

}  // namespace layerkit::cli
