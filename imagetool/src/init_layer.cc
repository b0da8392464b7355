#include "layerkit/imagetool/init_layer.h"

#include <unistd.h>

#include <algorithm>
#include <deque>

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "layerkit/layerstore/diff_dir.h"

namespace layerkit {
namespace {

constexpr int kMaxSymlinks = 40;  // as the kernel, path_resolution(7)

void prepend(std::deque<std::string>& todo, std::string_view path) {
  const auto parts = split(path, '/');
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
    if (!part->empty() && *part != ".") todo.emplace_front(*part);
  }
}

Fd duplicate_fd(int fd) {
  return open_dir_at(fd, ".");
}

std::uint32_t mode_of(FileType type) {
  switch (type) {
    case FileType::Directory:
    case FileType::Regular:
      return 0755;  // docker makes the files 0755, too
    default:
      return 0777;
  }
}

/// Where an object is to be made; nullopt when the image has something there.
std::optional<RelPath> free_place(const LayerTree& image, const InitObject& object) {
  const RelPath path = RelPath::parse(object.path);
  if (object.type == FileType::Symlink) {
    const auto parent = resolve_in_tree(image, path.parent());
    const RelPath place = parent.path / path.name();
    if (parent.entry && image.lookup(place)) return std::nullopt;
    return place;
  }
  const auto place = resolve_in_tree(image, path);
  if (place.entry || place.path.is_root()) return std::nullopt;
  // A symlink of the image that leads into the kernel's file systems: nothing can be made there.
  for (const char* kernel : {"proc", "sys"}) {
    if (RelPath::parse(kernel).contains(place.path) && place.path != path) return std::nullopt;
  }
  return place.path;
}

Entry entry_of(const InitObject& object, RelPath path, const Timestamp& created) {
  Entry entry;
  entry.path = std::move(path);
  entry.type = object.type;
  entry.mode = mode_of(object.type);
  entry.mtime = created;
  entry.symlink_target = object.symlink_target;
  return entry;
}

/// Walks one directory of a tree, parents first, with paths relative to it.
class SubtreeReader final : public LayerReader {
 public:
  SubtreeReader(std::shared_ptr<const LayerTree> tree, RelPath top)
      : tree_(std::move(tree)), top_(std::move(top)), todo_{RelPath()} {}

  std::optional<Entry> next() override {
    source_.reset();
    while (!todo_.empty()) {
      const RelPath path = std::move(todo_.back());
      todo_.pop_back();
      auto entry = tree_->lookup(top_ / path);
      if (!entry || entry->type == FileType::Socket) continue;
      if (entry->is_directory()) add_children(path);
      if (entry->type == FileType::Regular) source_ = tree_->open(top_ / path);
      entry->path = path;
      return entry;
    }
    return std::nullopt;
  }

  ByteSource& contents() override { return source_ ? *source_ : nothing_; }

 private:
  void add_children(const RelPath& path) {
    const auto names = tree_->list(top_ / path);
    for (auto name = names.rbegin(); name != names.rend(); ++name)
      todo_.push_back(path / *name);
  }

  std::shared_ptr<const LayerTree> tree_;
  RelPath top_;
  std::vector<RelPath> todo_;  ///< next one last
  std::unique_ptr<ByteSource> source_;
  MemorySource nothing_{""};
};

}  // namespace

ResolvedPath resolve_in_tree(const LayerTree& tree, const RelPath& path) {
  std::deque<std::string> todo;
  prepend(todo, path.str());
  ResolvedPath result{RelPath(), tree.lookup(RelPath())};
  int symlinks = 0;
  while (!todo.empty()) {
    const std::string name = std::move(todo.front());
    todo.pop_front();
    if (name == "..") {
      if (!result.path.is_root()) result.path = result.path.parent();
      result.entry = tree.lookup(result.path);
      continue;
    }
    if (result.entry && !result.entry->is_directory()) {
      fail(Errc::Invalid, "resolving {}: {} is not a directory", quoted(path.absolute()),
           quoted(result.path.absolute()));
    }
    RelPath child = result.path / name;
    auto entry = result.entry ? tree.lookup(child) : std::nullopt;
    if (entry && entry->type == FileType::Symlink) {
      if (++symlinks > kMaxSymlinks) {
        fail(Errc::Invalid, "resolving {}: too many symlinks", quoted(path.absolute()));
      }
      if (entry->symlink_target.starts_with('/')) {
        result = {RelPath(), tree.lookup(RelPath())};
      }
      prepend(todo, entry->symlink_target);
      continue;
    }
    result = {std::move(child), std::move(entry)};
  }
  return result;
}

std::vector<InitObject> default_init_objects() {
  std::vector<InitObject> objects;
  for (const char* directory : {"/dev", "/dev/pts", "/dev/shm", "/proc", "/sys"}) {
    objects.push_back({directory, FileType::Directory, {}});
  }
  for (const char* file :
       {"/.dockerenv", "/dev/console", "/etc/hostname", "/etc/hosts", "/etc/resolv.conf"}) {
    objects.push_back({file, FileType::Regular, {}});
  }
  objects.push_back({"/etc/mtab", FileType::Symlink, "/proc/mounts"});
  return objects;
}

void write_init_layer(int diff_fd,
                      const std::shared_ptr<const LayerTree>& image,
                      const std::vector<InitObject>& objects,
                      const Timestamp& created,
                      const Context& context,
                      DiffFormat format) {
  const auto writer = make_diff_writer(duplicate_fd(diff_fd), image, context, format);
  MemorySource empty("");
  for (const auto& object : objects) {
    with_context([&] { return "preparing " + quoted(object.path) + " of the container"; },
                 [&] {
                   const auto place = free_place(*image, object);
                   if (place) writer->add(entry_of(object, *place, created), empty);
                 });
  }
  writer->finish();
}

void copy_out_directory(const std::shared_ptr<const LayerTree>& tree,
                        const RelPath& path,
                        int directory_fd,
                        const Context& context) {
  const auto top = resolve_in_tree(*tree, path);
  if (!top.entry) return;
  if (!top.entry->is_directory()) {
    fail(Errc::Invalid, "copying {}: it is not a directory", quoted(path.absolute()));
  }
  SubtreeReader reader(tree, top.path);
  const auto writer = make_overlay_diff_writer(duplicate_fd(directory_fd), nullptr, context);
  copy_layer(reader, *writer, context);
}

}  // namespace layerkit
