#include "copy_place.h"

#include <fcntl.h>

#include <string_view>
#include <utility>
#include <vector>

#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"

namespace layerkit {
namespace {

constexpr int kMaxSymlinks = 40;

/// Names of a path, the next one last.
void push_names(std::vector<std::string>& left, std::string_view path) {
  const auto names = split(path, '/');
  for (auto name = names.rbegin(); name != names.rend(); ++name) {
    if (!name->empty() && *name != ".") left.emplace_back(*name);
  }
}

/// The path of the same object without symlinks, found as the kernel finds it where `root` is "/":
/// ".." in a link is the parent of where the link has led to. What is missing keeps its name. The
/// kernel itself is not asked since it does not say where a missing object would be.
RelPath behind_links(const RootDir& root, const RelPath& path) {
  std::vector<std::string> left;
  push_names(left, path.str());
  RelPath at;
  int links = 0;
  while (!left.empty()) {
    const std::string name = std::move(left.back());
    left.pop_back();
    if (name == "..") {
      if (!at.is_root()) at = at.parent();
      continue;
    }
    const RelPath next = at / name;
    const auto object = root.open_if_exists(next, O_PATH | O_NOFOLLOW, Follow::No);
    if (!object || stat_fd(object->get()).type != FileType::Symlink) {
      at = next;
      continue;
    }
    if (++links > kMaxSymlinks)
      fail(Errc::Invalid, "resolving {}: too many symlinks", quoted(path.absolute()));
    const std::string target = read_link_at(object->get(), "");
    push_names(left, target);
    if (target.starts_with('/')) at = RelPath();
  }
  return at;
}

/// nullopt when there is nothing.
std::optional<FileType> type_at(const RootDir& root, const RelPath& path) {
  const auto object = root.open_if_exists(path, O_PATH, Follow::InRoot);
  if (!object) return std::nullopt;
  return stat_fd(object->get()).type;
}

}  // namespace

CopyPath parse_copy_path(const std::string& text) {
  if (text.empty()) fail(Errc::Invalid, "reading a path: it is empty");
  CopyPath path;
  path.path = RelPath::parse(text);
  path.means_content = text == "." || text.ends_with("/.") || path.path.is_root();
  path.is_directory = path.means_content || text.ends_with('/') || text.ends_with("/..");
  return path;
}

CopySource find_copy_source(const RootDir& root,
                            const std::string& text,
                            bool follows_link,
                            const std::string& whose) {
  const CopyPath wanted = parse_copy_path(text);
  const int flags = O_PATH | (follows_link || wanted.is_directory ? 0 : O_NOFOLLOW);
  auto object = root.open_if_exists(wanted.path, flags, Follow::InRoot);
  if (!object) fail(Errc::NotFound, "Could not find the file {}{}", escaped(text), whose);
  CopySource source;
  source.object = std::move(*object);
  source.is_directory = stat_fd(source.object.get()).type == FileType::Directory;
  source.means_content = wanted.means_content;
  if (wanted.is_directory && !source.is_directory)
    fail(Errc::Invalid, "copying {}: it is not a directory", quoted(text));
  if (!wanted.path.is_root()) source.name = RelPath() / wanted.path.name();
  return source;
}

CopyTarget find_copy_target(const RootDir& root, const std::string& text, bool from_directory) {
  const CopyPath wanted = parse_copy_path(text);
  const RelPath path = behind_links(root, wanted.path);
  const auto type = type_at(root, path);
  if (type == FileType::Directory) return {path, std::nullopt};
  if (type && wanted.is_directory)
    fail(Errc::Invalid, "copying to {}: it is not a directory", quoted(text));
  if (type && from_directory)
    fail(Errc::Invalid, "copying to {}: cannot copy a directory to a file", quoted(text));
  if (!type && wanted.is_directory && !from_directory)
    fail(Errc::NotFound, "copying to {}: no such directory", quoted(text));
  if (type_at(root, path.parent()) != FileType::Directory) {
    fail(Errc::NotFound, "copying to {}: there is no directory {}", quoted(text),
         quoted(path.parent().absolute()));
  }
  return {path.parent(), RelPath() / path.name()};
}

}  // namespace layerkit
