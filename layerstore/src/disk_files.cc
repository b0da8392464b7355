#include "disk_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"

namespace layerkit {
namespace {

/// False when the name is taken.
bool linked(int from_fd, const std::string& from, int to_fd, const std::string& to) {
  if (::linkat(from_fd, from.c_str(), to_fd, to.c_str(), 0) == 0) return true;
  const int err = errno;
  if (err == EEXIST) return false;
  fail_errno(err, "linking to {}", quoted(from));
}

}  // namespace

DiskFiles::DiskFiles(Fd diff,
                     DiffFormat format,
                     const Context& context,
                     const BeforeRemoval& before_removal)
    : disk_(std::move(diff)), objects_(format, context), aside_(disk_, objects_, before_removal) {
  objects_.neutralize_root(disk_.fd());
}

int DiskFiles::fd(DraftDir& dir) {
  if (!make_dir(dir)) fail(Errc::Exists, "creating directory {}", quoted(path_of(dir).str()));
  OpenDir* slot = find_open(dir);
  if (slot == nullptr) {
    // The parent is often open: a step down costs less than the whole path.
    const OpenDir* parent = dir.is_root() ? nullptr : find_open(*dir.parent);
    Fd opened = parent != nullptr ? open_dir_at(parent->fd.get(), std::string(dir.name))
                                  : disk_.open(path_of(dir), O_RDONLY | O_DIRECTORY, Follow::No);
    slot = &*std::min_element(open_.begin(), open_.end(), [](const OpenDir& a, const OpenDir& b) {
      return a.last_use < b.last_use;
    });
    slot->dir = &dir;
    slot->fd = std::move(opened);
  }
  slot->last_use = ++uses_;
  return slot->fd.get();
}

DiskFiles::OpenDir* DiskFiles::find_open(const DraftDir& dir) {
  const auto slot = std::find_if(open_.begin(), open_.end(),
                                 [&dir](const OpenDir& open) { return open.dir == &dir; });
  return slot == open_.end() ? nullptr : &*slot;
}

bool DiskFiles::make_dir(DraftDir& dir) {
  if (dir.made) return true;
  // Private until the end, whatever the entry says: nobody else looks into a half-made layer.
  constexpr mode_t kPrivate = 0700;
  const int parent = fd(*dir.parent);
  try {
    make_dir_at(parent, std::string(dir.name), kPrivate);
  } catch (const Error& error) {
    if (error.code() != Errc::Exists) throw;
    return false;
  }
  dir.made = true;
  return true;
}

void DiskFiles::remove_dir(DraftDir& dir) {
  for (OpenDir& open : open_) {
    for (const DraftDir* at = open.dir; at != nullptr; at = at->parent) {
      if (at != &dir) continue;
      open = {};
      break;
    }
  }
  remove_tree_at(fd(*dir.parent), std::string(dir.name));
}

void DiskFiles::finish_dir(DraftDir& dir,
                           const RelPath& path,
                           const DirAttributes& attributes,
                           bool opaque) {
  const int directory = fd(dir);
  if (opaque) objects_.mark_opaque(directory);
  objects_.finish_directory(directory, path.absolute(), attributes);
}

std::optional<FileType> DiskFiles::type_at(DraftDir& dir, std::string_view name) {
  const auto stat = stat_at(fd(dir), std::string(name));
  if (!stat || stat->type == FileType::Directory) return std::nullopt;
  return stat->type;
}

std::string DiskFiles::link_target(DraftDir& dir, std::string_view name) {
  return read_link_at(fd(dir), std::string(name));
}

DraftFiles::Outcome DiskFiles::create(DraftDir& dir,
                                      const std::string& name,
                                      const Entry& entry,
                                      ByteSource& contents) {
  return objects_.create(fd(dir), name, entry, contents);
}

void DiskFiles::copy_up(DraftDir& dir,
                        const std::string& name,
                        const Entry& entry,
                        const LayerTree& lower) {
  MemorySource nothing("");
  const auto contents = entry.type == FileType::Regular ? lower.open(path_of(dir, name))
                                                        : std::unique_ptr<ByteSource>();
  objects_.create(fd(dir), name, entry, contents ? *contents : nothing);
}

bool DiskFiles::link(DraftDir& from,
                     const std::string& from_name,
                     DraftDir& dir,
                     const std::string& name) {
  return linked(fd(from), from_name, fd(dir), name);
}

void DiskFiles::update(DraftDir& dir, const std::string& name, const Entry& entry) {
  const auto now = stat_at(fd(dir), name);
  if (now) objects_.update_linked(fd(dir), name, entry, *now);
}

void DiskFiles::remove_file(DraftDir& dir, std::string_view name) {
  unlink_at(fd(dir), std::string(name));
}

void DiskFiles::white_out(DraftDir& dir, const std::string& name) {
  objects_.create_whiteout(fd(dir), name);
}

void DiskFiles::link_aside(DraftDir& from, const std::string& from_name, const RelPath& path) {
  aside_.link(fd(from), from_name, path);
}

bool DiskFiles::link_from_aside(const RelPath& path, DraftDir& dir, const std::string& name) {
  return linked(aside_.fd(), std::string(path.name()), fd(dir), name);
}

}  // namespace layerkit
