#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>

#include "layerkit/base/error.h"
#include "layerkit/base/fd.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/option_values.h"

namespace layerkit {
namespace {

constexpr std::size_t kMaxPorts = 4096;

struct PortRange {
  std::uint16_t first = 0;
  std::uint16_t last = 0;
  std::size_t size() const { return static_cast<std::size_t>(last) - first + 1U; }
};

PortRange parse_range(std::string_view text, std::string_view what, std::string_view whole) {
  const auto ends = split(text, '-');
  const auto first = parse_decimal(ends.front());
  const auto last = parse_decimal(ends.back());
  if (ends.size() > 2 || !first || !last || *first == 0 || *first > *last || *last > 65'535)
    fail(Errc::Invalid, "invalid {}: {} in {}", what, quoted(text), quoted(whole));
  return {static_cast<std::uint16_t>(*first), static_cast<std::uint16_t>(*last)};
}

/// Takes the part in front of the last ':' away; "[::1]" keeps its own.
std::string_view take_last(std::string_view& text) {
  const auto colon = text.rfind(':');
  const auto bracket = text.rfind(']');
  const bool has_more =
      colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket);
  const auto last = has_more ? text.substr(colon + 1) : text;
  text = has_more ? text.substr(0, colon) : std::string_view();
  return last;
}

std::string parse_host_ip(std::string_view text) {
  if (text.size() > 2 && text.front() == '[' && text.back() == ']')
    return parse_address(text.substr(1, text.size() - 2));
  return text.empty() ? std::string() : parse_address(text);
}

}  // namespace

std::vector<PortMapping> parse_publish(std::string_view text) {
  const std::string_view whole = text;
  PortMapping mapping;
  if (const auto slash = text.rfind('/'); slash != std::string_view::npos) {
    mapping.protocol = text.substr(slash + 1);
    text = text.substr(0, slash);
    constexpr std::array<std::string_view, 3> kProtocols = {"tcp", "udp", "sctp"};
    if (std::find(kProtocols.begin(), kProtocols.end(), mapping.protocol) == kProtocols.end())
      fail(Errc::Invalid, "invalid proto: {} in {}", quoted(mapping.protocol), quoted(whole));
  }
  const PortRange inside = parse_range(take_last(text), "containerPort", whole);
  const std::string_view host = take_last(text);
  mapping.host_ip = parse_host_ip(text);
  if (inside.size() > kMaxPorts)
    fail(Errc::Limit, "publishing {}: more than {} ports", quoted(whole), kMaxPorts);
  std::optional<PortRange> outside;
  if (!host.empty()) outside = parse_range(host, "hostPort", whole);
  if (outside && outside->size() != inside.size())
    fail(Errc::Invalid, "invalid ranges specified for container and host Ports: {}", quoted(whole));
  std::vector<PortMapping> mappings;
  for (std::size_t i = 0; i < inside.size(); ++i) {
    mapping.container_port = static_cast<std::uint16_t>(inside.first + i);
    mapping.host_port = outside ? static_cast<std::uint16_t>(outside->first + i) : 0;
    mappings.push_back(mapping);
  }
  return mappings;
}

std::uint16_t free_port(const PortMapping& mapping) {
  const bool is_ip6 = mapping.host_ip.find(':') != std::string::npos;
  const int type = mapping.protocol == "udp" ? SOCK_DGRAM : SOCK_STREAM;
  const Fd socket(::socket(is_ip6 ? AF_INET6 : AF_INET, type | SOCK_CLOEXEC, 0));
  if (!socket) fail_errno(errno, "looking for a free port");
  sockaddr_storage address{};
  socklen_t size = is_ip6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
  address.ss_family = is_ip6 ? AF_INET6 : AF_INET;
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  if (!mapping.host_ip.empty()) {
    void* const bytes =
        is_ip6 ? static_cast<void*>(&reinterpret_cast<sockaddr_in6*>(&address)->sin6_addr)
               : &reinterpret_cast<sockaddr_in*>(&address)->sin_addr;
    if (::inet_pton(address.ss_family, mapping.host_ip.c_str(), bytes) != 1)
      fail(Errc::Invalid, "invalid IP address: {}", quoted(mapping.host_ip));
  }
  if (::bind(socket.get(), generic, size) != 0 ||
      ::getsockname(socket.get(), generic, &size) != 0) {
    fail_errno(errno, "looking for a free port of {}", quoted(mapping.host_ip));
  }
  return ntohs(is_ip6 ? reinterpret_cast<sockaddr_in6*>(&address)->sin6_port
                      : reinterpret_cast<sockaddr_in*>(&address)->sin_port);
}

}  // namespace layerkit
