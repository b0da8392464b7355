#include "layerkit/imagetool/tree_path.h"

#include <vector>

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"

namespace layerkit {
namespace {

/// As many as the kernel follows in one path (path_resolution(7)).
constexpr unsigned kMaxLinks = 40;

void push_components(std::vector<std::string>& left, std::string_view path) {
  const std::vector<std::string_view> names = split(path, '/');
  for (auto name = names.rbegin(); name != names.rend(); ++name) {
    if (!name->empty() && *name != ".") left.emplace_back(*name);
  }
}

char type_letter(FileType type) {
  switch (type) {
    case FileType::Regular:
      return '-';
    case FileType::Directory:
      return 'd';
    case FileType::Symlink:
      return 'l';
    case FileType::CharDevice:
      return 'c';
    case FileType::BlockDevice:
      return 'b';
    case FileType::Fifo:
      return 'p';
    case FileType::Socket:
      return 's';
  }
  return '?';
}

}  // namespace

std::optional<Entry> resolve_path(const LayerTree& tree, std::string_view path, LastLink last) {
  if (path.find('\0') != std::string_view::npos) return std::nullopt;
  std::vector<std::string> left;
  push_components(left, path);
  const bool wants_directory = path.ends_with('/');
  std::optional<Entry> at = tree.lookup(RelPath());
  unsigned links = 0;
  while (!left.empty()) {
    const std::string name = std::move(left.back());
    left.pop_back();
    if (!at->is_directory()) return std::nullopt;
    if (name == "..") {
      if (!at->path.is_root()) at = tree.lookup(at->path.parent());
      continue;
    }
    auto next = tree.lookup(at->path / name);
    if (!next) return std::nullopt;
    const bool follows = !left.empty() || wants_directory || last == LastLink::Follow;
    if (next->type == FileType::Symlink && follows) {
      if (++links > kMaxLinks) return std::nullopt;
      push_components(left, next->symlink_target);
      if (next->symlink_target.starts_with('/')) at = tree.lookup(RelPath());
      continue;
    }
    at = std::move(next);
  }
  if (wants_directory && !at->is_directory()) return std::nullopt;
  return at;
}

Entry find_path(const LayerTree& tree, std::string_view path, LastLink last) {
  auto found = resolve_path(tree, path, last);
  if (!found) fail(Errc::NotFound, "{}: no such file or directory in the image", quoted(path));
  return *std::move(found);
}

std::string mode_text(const Entry& entry) {
  constexpr std::string_view kLetters = "rwxrwxrwx";
  std::string text(1, type_letter(entry.type));
  for (unsigned bit = 0; bit < kLetters.size(); ++bit) {
    text += (entry.mode & (0400U >> bit)) != 0 ? kLetters[bit] : '-';
  }
  const auto special = [&](std::uint32_t bit, std::size_t place, char with, char without) {
    if ((entry.mode & bit) != 0) text[place] = text[place] == 'x' ? with : without;
  };
  special(04000, 3, 's', 'S');
  special(02000, 6, 's', 'S');
  special(01000, 9, 't', 'T');
  return text;
}

std::string_view type_text(FileType type) noexcept {
  switch (type) {
    case FileType::Regular:
      return "regular file";
    case FileType::Directory:
      return "directory";
    case FileType::Symlink:
      return "symbolic link";
    case FileType::CharDevice:
      return "character device";
    case FileType::BlockDevice:
      return "block device";
    case FileType::Fifo:
      return "fifo";
    case FileType::Socket:
      return "socket";
  }
  return "unknown";
}

}  // namespace layerkit
