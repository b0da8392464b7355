#include "container_network.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/strict_json.h"
#include "layerkit/base/text.h"
#include "network_files.h"
#include "network_namespace.h"

namespace layerkit {
namespace {

constexpr char kNetworkFile[] = "network.json";
constexpr char kLockFile[] = "network.lock";
constexpr char kNamespaces[] = "/run/layerkit/netns";
constexpr std::size_t kMaxRecord = 8 << 20;

void write_record(const Fd& record, const CniAttachment& attachment) {
  replace_file_at(record.get(), kNetworkFile,
                  dump_json(to_json(attachment), "the network record") + "\n", 0600);
}

std::optional<CniAttachment> read_record(const Fd& record) {
  const auto file = open_at_if_exists(record.get(), kNetworkFile, O_RDONLY | O_NOFOLLOW);
  if (!file) return std::nullopt;
  const std::string text = read_file_at(record.get(), kNetworkFile, kMaxRecord);
  return cni_attachment_from_json(parse_json(text, "network record", kMaxRecord));
}

CniAttachment plan_attachment(const ContainerInfo& info) {
  const HostOptions& options = info.options;
  CniAttachment attachment;
  attachment.network = find_cni_network(cni_config_directory(), options.network_name);
  if (!options.ports.empty() && !has_cni_capability(attachment.network, "portMappings")) {
    fail(Errc::Unsupported, "network {} cannot publish ports: none of its plugins has portMappings",
         layerkit::quoted(attachment.network.name));
  }
  attachment.container_id = info.id;
  attachment.netns = std::string(kNamespaces) + "/" + info.id;
  attachment.plugin_directories = cni_plugin_directories();
  for (const auto& port : options.ports) {
    nlohmann::json mapping = {{"hostPort", port.host_port},
                              {"containerPort", port.container_port},
                              {"protocol", port.protocol}};
    if (!port.host_ip.empty()) mapping["hostIP"] = port.host_ip;
    attachment.port_mappings.push_back(std::move(mapping));
  }
  return attachment;
}

/// Read by users inside the container.
void write_readable(const Fd& record, const char* name, const std::string& contents) {
  replace_file_at(record.get(), name, contents, 0644);
  const Fd file = open_at(record.get(), name, O_RDONLY | O_NOFOLLOW);
  if (::fchmod(file.get(), 0644) != 0) fail_errno(errno, "changing the mode of {}", quoted(name));
}

std::vector<std::string> name_servers_of(const CniAttachment& attachment) {
  const JsonView result(attachment.result, "the result of the plugins");
  const auto dns = result.find("dns");
  const auto servers = dns ? dns->find("nameservers") : std::nullopt;
  std::vector<std::string> addresses;
  if (!servers) return addresses;
  for (const auto& server : servers->strings())
    addresses.push_back(parse_address(server));
  return addresses;
}

void write_names(const Fd& record, const ContainerInfo& info, const CniAttachment& attachment) {
  std::string hosts = hosts_file(info.options);
  for (const auto& address : addresses_of(attachment))
    hosts += fmt::format("{}\t{}\n", address.address, info.config.hostname);
  write_readable(record, "hosts", hosts);
  HostOptions options = info.options;
  if (options.dns.empty()) options.dns = name_servers_of(attachment);
  write_readable(record, "resolv.conf", resolver_file(options));
}

void undo(const Fd& record, const CniAttachment& attachment, const Context& context) {
  try {
    cni_delete(attachment);
  } catch (const Error& error) {
    // The record stays: the removal of the container tries once more.
    context.warn(error.message());
    remove_network_namespace(attachment.netns);
    return;
  }
  remove_network_namespace(attachment.netns);
  ::unlinkat(record.get(), kNetworkFile, 0);
}

}  // namespace

std::vector<NetworkAddress> addresses_of(const CniAttachment& attachment) {
  std::vector<NetworkAddress> addresses;
  const JsonView result(attachment.result, "the result of the plugins");
  const auto ips = result.is_null() ? std::nullopt : result.find("ips");
  if (!ips) return addresses;
  for (const auto& ip : ips->items()) {
    const JsonView text = ip.at("address");
    const auto parts = split(text.string(), '/');
    const auto prefix = parts.size() == 2 ? parse_decimal(parts[1]) : std::nullopt;
    if (!prefix || *prefix > 128) text.refuse("is not an address with its prefix");
    NetworkAddress address;
    address.address = parse_address(parts[0]);
    address.prefix = static_cast<unsigned>(*prefix);
    address.gateway = ip.string_or("gateway", "");
    addresses.push_back(std::move(address));
  }
  return addresses;
}

std::string connect_network(const ContainerStore& store,
                            const ContainerInfo& info,
                            const Context& context) {
  const Fd record = store.directory(info.id);
  const FileLock lock(record.get(), kLockFile, LockKind::Exclusive);
  CniAttachment attachment = plan_attachment(info);
  write_record(record, attachment);
  try {
    make_network_namespace(attachment.netns);
    cni_add(attachment, context);
    write_record(record, attachment);
    write_names(record, info, attachment);
  } catch (const Error&) {
    undo(record, attachment, context);
    throw;
  }
  return attachment.netns;
}

void release_network(const ContainerStore& store, const std::string& id, const Context& context) {
  try {
    const Fd record = store.directory(id);
    if (!open_at_if_exists(record.get(), kNetworkFile, O_PATH | O_NOFOLLOW)) return;
    const FileLock lock(record.get(), kLockFile, LockKind::Exclusive);
    if (const auto attachment = read_record(record)) undo(record, *attachment, context);
  } catch (const Error& error) {
    if (error.code() != Errc::NotFound) context.warn(error.message());
  }
}

std::optional<CniAttachment> find_network(const ContainerStore& store, const std::string& id) {
  return read_record(store.directory(id));
}

}  // namespace layerkit
