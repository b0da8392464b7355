#pragma once

#include <compare>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace layerkit {

/// A path inside a layer or rootfs, in canonical form: bytes, components joined by single '/', no
/// leading or trailing '/', no "." or ".." or NUL. The root is the empty path. Being canonical says
/// nothing about symlinks: what resolves it decides that.
class RelPath {
 public:
  RelPath() = default;

  /// Canonical form of a path as archives write it: leading '/' and './', doubled and trailing '/'
  /// are dropped, "a/../b" becomes "b". Throws Error{Invalid} for a NUL byte or a ".." that leaves
  /// the root. An empty text is the root; callers that must refuse an empty name do so themselves.
  static RelPath parse(std::string_view text);

  bool is_root() const noexcept { return path_.empty(); }
  const std::string& str() const noexcept { return path_; }
  const char* c_str() const noexcept { return path_.c_str(); }
  /// Absolute form for display: "/" or "/a/b".
  std::string absolute() const { return "/" + path_; }

  /// REQUIRES: !is_root().
  RelPath parent() const;
  /// Last component; empty for the root.
  std::string_view name() const noexcept;
  std::vector<std::string_view> components() const;

  /// This path with one component added. Throws Error{Invalid} unless `name` is one valid
  /// component.
  RelPath operator/(std::string_view name) const;
  /// This path followed by all components of `below`.
  RelPath operator/(const RelPath& below) const;

  /// True when `other` is this path or lies below it.
  bool contains(const RelPath& other) const noexcept;

  /// Order of readdir-style listings: component by component, bytewise, parents first.
  std::strong_ordering operator<=>(const RelPath& other) const noexcept;
  bool operator==(const RelPath& other) const noexcept = default;

 private:
  explicit RelPath(std::string canonical) : path_(std::move(canonical)) {}
  std::string path_;
};

}  // namespace layerkit

template <>
struct std::hash<layerkit::RelPath> {
  std::size_t operator()(const layerkit::RelPath& path) const noexcept {
    return std::hash<std::string>{}(path.str());
  }
};
