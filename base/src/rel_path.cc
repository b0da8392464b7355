#include "layerkit/base/rel_path.h"

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"

namespace layerkit {
namespace {

void drop_last_component(std::string& path) {
  const std::size_t slash = path.rfind('/');
  path.resize(slash == std::string::npos ? 0 : slash);
}

}  // namespace

RelPath RelPath::parse(std::string_view text) {
  if (text.find('\0') != std::string_view::npos) {
    fail(Errc::Invalid, "reading path {}: it contains a NUL byte", quoted(text));
  }
  std::string path;
  path.reserve(text.size());
  for (const std::string_view component : split(text, '/')) {
    if (component.empty() || component == ".") continue;
    if (component == "..") {
      if (path.empty()) fail(Errc::Invalid, "reading path {}: it leaves the root", quoted(text));
      drop_last_component(path);
      continue;
    }
    if (!path.empty()) path += '/';
    path += component;
  }
  return RelPath(std::move(path));
}

RelPath RelPath::parent() const {
  std::string path = path_;
  drop_last_component(path);
  return RelPath(std::move(path));
}

std::string_view RelPath::name() const noexcept {
  const std::size_t slash = path_.rfind('/');
  return std::string_view(path_).substr(slash == std::string::npos ? 0 : slash + 1);
}

std::vector<std::string_view> RelPath::components() const {
  if (is_root()) return {};
  return split(path_, '/');
}

RelPath RelPath::operator/(std::string_view name) const {
  if (name.empty() || name == "." || name == ".." || name.find('/') != std::string_view::npos ||
      name.find('\0') != std::string_view::npos) {
    fail(Errc::Invalid, "reading name {}: it is not one path component", quoted(name));
  }
  std::string path;
  path.reserve(path_.size() + 1 + name.size());
  path = path_;
  if (!path.empty()) path += '/';
  path += name;
  return RelPath(std::move(path));
}

RelPath RelPath::operator/(const RelPath& below) const {
  if (is_root()) return below;
  if (below.is_root()) return *this;
  return RelPath(path_ + "/" + below.path_);
}

bool RelPath::contains(const RelPath& other) const noexcept {
  if (is_root()) return true;
  if (!other.path_.starts_with(path_)) return false;
  return other.path_.size() == path_.size() || other.path_[path_.size()] == '/';
}

std::strong_ordering RelPath::operator<=>(const RelPath& other) const noexcept {
  // '/' must sort before every other byte, or "a-b" would stand between "a" and "a/b".
  const auto rank = [](char c) { return c == '/' ? 0 : static_cast<unsigned char>(c); };
  const std::size_t common = std::min(path_.size(), other.path_.size());
  for (std::size_t i = 0; i < common; ++i) {
    if (path_[i] != other.path_[i]) return rank(path_[i]) <=> rank(other.path_[i]);
  }
  return path_.size() <=> other.path_.size();
}

}  // namespace layerkit
