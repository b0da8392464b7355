#include "copy_place.h"

#include <fcntl.h>

#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"

namespace layerkit {
namespace {

constexpr int kMaxSymlinks = 40;

/// Where a symlink leads, by its text: a last component that is missing may be made there.
RelPath behind_link(const RelPath& link, const std::string& target) {
  if (target.starts_with('/')) return RelPath::parse(target);
  return RelPath::parse(link.parent().str() + "/" + target);
}

/// The path with a last component that is no symlink.
RelPath behind_links(const RootDir& root, RelPath path) {
  for (int links = 0; links < kMaxSymlinks; ++links) {
    if (path.is_root()) return path;
    const auto object = root.open_if_exists(path, O_PATH | O_NOFOLLOW, Follow::InRoot);
    if (!object || stat_fd(object->get()).type != FileType::Symlink) return path;
    path = behind_link(path, read_link_at(object->get(), ""));
  }
  fail(Errc::Invalid, "resolving {}: too many symlinks", quoted(path.absolute()));
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
