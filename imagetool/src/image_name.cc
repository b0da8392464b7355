#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/image_store.h"

// The grammar and the familiar form are those of github.com/distribution/reference.

namespace layerkit {
namespace {

constexpr std::string_view kDefaultDomain = "docker.io";
constexpr std::string_view kLegacyDefaultDomain = "index.docker.io";
constexpr std::string_view kOfficialPrefix = "library/";
constexpr std::size_t kMaxNameLength = 255;
constexpr std::size_t kMaxTagLength = 128;

bool is_lower(char c) {
  return c >= 'a' && c <= 'z';
}
bool is_upper(char c) {
  return c >= 'A' && c <= 'Z';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_lower_alphanumeric(char c) {
  return is_lower(c) || is_digit(c);
}
bool is_alphanumeric(char c) {
  return is_lower_alphanumeric(c) || is_upper(c);
}
bool is_hex(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'f');
}

template <typename Predicate>
bool all_of(std::string_view text, Predicate predicate) {
  return std::ranges::all_of(text, predicate);
}

/// [a-zA-Z0-9] with inner '-'.
bool valid_domain_component(std::string_view text) {
  return !text.empty() && is_alphanumeric(text.front()) && is_alphanumeric(text.back()) &&
         all_of(text, [](char c) { return is_alphanumeric(c) || c == '-'; });
}

bool valid_host(std::string_view host) {
  if (host.starts_with('[')) {
    if (!host.ends_with(']') || host.size() < 3) return false;
    const std::string_view inside = host.substr(1, host.size() - 2);
    return all_of(inside, [](char c) {
      return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == ':';
    });
  }
  const std::vector<std::string_view> components = split(host, '.');
  return std::ranges::all_of(components, valid_domain_component);
}

/// host [':' port]
bool valid_domain(std::string_view domain) {
  const std::size_t bracket = domain.rfind(']');
  const std::size_t colon = domain.find(':', bracket == std::string_view::npos ? 0 : bracket);
  if (colon == std::string_view::npos) return valid_host(domain);
  const std::string_view port = domain.substr(colon + 1);
  return !port.empty() && all_of(port, is_digit) && valid_host(domain.substr(0, colon));
}

/// One separator between alphanumeric runs: ".", "_", "__" or any number of "-".
bool valid_separator(std::string_view text) {
  return text == "." || text == "_" || text == "__" ||
         all_of(text, [](char c) { return c == '-'; });
}

bool valid_path_component(std::string_view text) {
  if (text.empty() || !is_lower_alphanumeric(text.front()) || !is_lower_alphanumeric(text.back())) {
    return false;
  }
  std::size_t run = 0;  // where the present run of separators began
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (!is_lower_alphanumeric(text[i])) continue;
    if (i > run && !valid_separator(text.substr(run, i - run))) return false;
    run = i + 1;
  }
  return true;
}

bool valid_path(std::string_view path) {
  const std::vector<std::string_view> components = split(path, '/');
  return std::ranges::all_of(components, valid_path_component);
}

bool valid_tag(std::string_view tag) {
  const auto word = [](char c) { return is_alphanumeric(c) || c == '_'; };
  return !tag.empty() && tag.size() <= kMaxTagLength && word(tag.front()) &&
         all_of(tag, [&](char c) { return word(c) || c == '.' || c == '-'; });
}

struct Repository {
  std::string domain;
  std::string path;
  bool operator==(const Repository&) const = default;
};

/// splitDockerDomain: what stands before the first '/' is a domain when it looks like one.
Repository split_domain(std::string_view name) {
  const std::size_t slash = name.find('/');
  const std::string_view first = name.substr(0, slash);
  const bool has_domain = slash != std::string_view::npos &&
                          (first.find_first_of(".:") != std::string_view::npos ||
                           first == "localhost" || std::ranges::any_of(first, is_upper));
  Repository repository{std::string(kDefaultDomain), std::string(name)};
  if (has_domain) repository = {std::string(first), std::string(name.substr(slash + 1))};
  if (repository.domain == kLegacyDefaultDomain) repository.domain = kDefaultDomain;
  if (repository.domain == kDefaultDomain && repository.path.find('/') == std::string::npos) {
    repository.path.insert(0, kOfficialPrefix);
  }
  return repository;
}

bool looks_like_id(std::string_view text) {
  return text.size() == 64 && all_of(text, is_hex);
}

/// Without default domain and "library/", unless the rest would then be read as something else
/// ("docker.io/localhost/app", a repository of 64 hex digits).
std::string familiar(const Repository& repository) {
  std::string full = repository.domain + "/" + repository.path;
  if (repository.domain != kDefaultDomain) return full;
  std::string_view path = repository.path;
  if (path.starts_with(kOfficialPrefix) &&
      path.find('/', kOfficialPrefix.size()) == std::string_view::npos) {
    path.remove_prefix(kOfficialPrefix.size());
  }
  const bool same = split_domain(path) == repository && !looks_like_id(path);
  return same ? std::string(path) : full;
}

[[noreturn]] void refuse(std::string_view text, std::string_view reason) {
  fail(Errc::Invalid, "reading image name {}: {}", quoted(text), reason);
}

/// Cuts ":tag" off `name`; the colon of a port is followed by a '/'.
std::string take_tag(std::string_view& name) {
  const std::size_t colon = name.rfind(':');
  if (colon == std::string_view::npos || name.find('/', colon) != std::string_view::npos) {
    return "latest";
  }
  std::string tag(name.substr(colon + 1));
  name = name.substr(0, colon);
  return tag;
}

}  // namespace

ImageName ImageName::parse(std::string_view text) {
  if (text.empty()) refuse(text, "it is empty");
  if (text.find('@') != std::string_view::npos) {
    refuse(text, "a name with a digest cannot be used here");
  }
  std::string_view rest = text;
  const std::string tag = take_tag(rest);
  if (!valid_tag(tag)) refuse(text, "invalid tag");
  if (looks_like_id(rest)) refuse(text, "64 hexadecimal digits are an image ID");
  const Repository repository = split_domain(rest);
  if (std::ranges::any_of(repository.path, is_upper)) {
    refuse(text, "the repository must be lower-case");
  }
  if (!valid_domain(repository.domain) || !valid_path(repository.path)) {
    refuse(text, "invalid reference format");
  }
  if (repository.domain.size() + 1 + repository.path.size() > kMaxNameLength) {
    refuse(text, fmt::format("the repository is longer than {} characters", kMaxNameLength));
  }
  ImageName name;
  name.repository_ = familiar(repository);
  name.tag_ = tag;
  return name;
}

std::string ImageName::full() const {
  const Repository repository = split_domain(repository_);
  return fmt::format("{}/{}:{}", repository.domain, repository.path, tag_);
}

}  // namespace layerkit
