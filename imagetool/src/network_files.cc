#include "network_files.h"

#include <fcntl.h>

#include <filesystem>

#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"

namespace layerkit {
namespace {

/// A small file of the host, symlinks followed; empty when there is none.
std::string host_file(const char* path) {
  constexpr std::size_t kMaxBytes = 1 << 20;
  std::error_code missing;
  const auto real = std::filesystem::canonical(path, missing);
  return missing ? std::string() : read_file_at(AT_FDCWD, real.string(), kMaxBytes);
}

bool is_loopback_server(std::string_view line) {
  const auto start = line.find_first_not_of(" \t", std::string_view("nameserver").size());
  const auto server = start == std::string_view::npos ? std::string_view() : line.substr(start);
  return server.empty() || server.starts_with("127.") || server.starts_with("::1");
}

}  // namespace

std::string hosts_file(const HostOptions& options) {
  std::string text = options.network == NetworkMode::Host
                         ? host_file("/etc/hosts")
                         : "127.0.0.1\tlocalhost\n"
                           "::1\tlocalhost ip6-localhost ip6-loopback\n"
                           "fe00::0\tip6-localnet\n"
                           "ff00::0\tip6-mcastprefix\n"
                           "ff02::1\tip6-allnodes\n"
                           "ff02::2\tip6-allrouters\n";
  if (!text.empty() && text.back() != '\n') text += '\n';
  for (const auto& host : options.extra_hosts) {
    const auto colon = host.find(':');
    text += fmt::format("{}\t{}\n", host.substr(colon + 1), host.substr(0, colon));
  }
  return text;
}

std::string resolver_file(const HostOptions& options) {
  std::string host = host_file("/etc/resolv.conf");
  const bool is_apart = options.network == NetworkMode::Named;
  if (options.dns.empty() && !is_apart) return host;
  std::string text;
  for (const auto& server : options.dns)
    text += "nameserver " + server + "\n";
  for (const auto line : split(host, '\n')) {
    // The host's own server cannot be reached from another network namespace.
    const bool is_usable = is_apart && options.dns.empty() && !is_loopback_server(line);
    if (is_usable && line.starts_with("nameserver")) text += std::string(line) + "\n";
    // The host's search list and options stay, as with docker's --dns alone.
    if (line.starts_with("search") || line.starts_with("options")) text += std::string(line) + "\n";
  }
  return text;
}

}  // namespace layerkit
