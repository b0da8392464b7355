#include "memory_files.h"

#include <iterator>

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "packed_xattrs.h"

namespace layerkit {

bool MemoryFiles::make_dir(DraftDir& dir) {
  if (dir.made) return true;
  need(*dir.parent);
  if (names_.find(*dir.parent, dir.name) != nullptr) return false;
  dir.made = true;
  return true;
}

void MemoryFiles::need(DraftDir& dir) {
  if (!make_dir(dir)) fail(Errc::Exists, "creating directory {}", quoted(path_of(dir).str()));
}

void MemoryFiles::remove_dir(DraftDir& dir) {
  for (const auto& [name, child] : dir.children)
    remove_dir(*child);
  while (dir.files != nullptr) {
    drop_name(*dir.files);
    arena_.tidy();
  }
}

void MemoryFiles::finish_dir(DraftDir& dir,
                             const RelPath& /*path*/,
                             const DirAttributes& attributes,
                             bool opaque) {
  dir.mode = attributes.mode;
  dir.uid = attributes.uid;
  dir.gid = attributes.gid;
  dir.mtime = attributes.mtime;
  dir.xattrs = encode_xattrs(attributes.xattrs);
  dir.opaque = opaque;
}

std::optional<FileType> MemoryFiles::type_at(DraftDir& dir, std::string_view name) {
  const FileName* found = names_.find(dir, name);
  if (found == nullptr) return std::nullopt;
  return found->file->type;
}

std::string MemoryFiles::link_target(DraftDir& dir, std::string_view name) {
  return std::string(file_at(dir, name).text);
}

DraftFiles::Outcome MemoryFiles::create(DraftDir& dir,
                                        const std::string& name,
                                        const Entry& entry,
                                        ByteSource& /*contents*/) {
  need(dir);
  if (names_.find(dir, name) != nullptr) return Outcome::Exists;
  add_name(dir, name, make(entry));
  return Outcome::Created;
}

DraftFile& MemoryFiles::make(const Entry& entry) {
  DraftFile& file = *std::pmr::polymorphic_allocator<>(&arena_).new_object<DraftFile>(&arena_);
  file.number = ++files_;
  file.type = entry.type;
  file.size = entry.size;
  file.device_major = entry.device_major;
  file.device_minor = entry.device_minor;
  file.text = entry.symlink_target;
  set_attributes(file, entry);
  if (entry.type == FileType::Regular) {
    const std::vector<TarExtent> extents = extents_();
    file.extents.assign(extents.begin(), extents.end());
  }
  return file;
}

/// No file system keeps attributes of users on symlinks and devices (xattr(7)).
void MemoryFiles::set_attributes(DraftFile& file, const Entry& entry) {
  file.mode = entry.mode;
  file.uid = entry.uid;
  file.gid = entry.gid;
  file.mtime = entry.mtime;
  Xattrs xattrs = entry.xattrs;
  if (file.type != FileType::Regular) {
    for (auto xattr = xattrs.begin(); xattr != xattrs.end();) {
      const bool keeps = !xattr->first.starts_with("user.");
      if (!keeps) lost_xattrs_.add(fmt::format("{} of {}", xattr->first, entry.path.str()));
      xattr = keeps ? std::next(xattr) : xattrs.erase(xattr);
    }
  }
  file.xattrs = encode_xattrs(xattrs);
}

void MemoryFiles::copy_up(DraftDir& dir,
                          const std::string& name,
                          const Entry& entry,
                          const LayerTree& /*lower*/) {
  need(dir);
  DraftFile& file = make(entry);
  if (entry.type == FileType::Regular) {
    file.is_lower = true;
    file.text = path_of(dir, name).str();
    file.extents.clear();
  }
  add_name(dir, name, file);
}

bool MemoryFiles::link(DraftDir& from,
                       const std::string& from_name,
                       DraftDir& dir,
                       const std::string& name) {
  need(dir);
  return add_name(dir, name, file_at(from, from_name));
}

void MemoryFiles::update(DraftDir& dir, const std::string& name, const Entry& entry) {
  DraftFile& file = file_at(dir, name);
  Entry header = entry;
  header.xattrs.merge(decode_xattrs(std::string_view(file.xattrs)));
  set_attributes(file, header);
}

void MemoryFiles::remove_file(DraftDir& dir, std::string_view name) {
  drop_name(*names_.find(dir, name));
}

void MemoryFiles::white_out(DraftDir& dir, const std::string& /*name*/) {
  need(dir);  // that it is hidden stands in `special`
}

void MemoryFiles::add_aside(const Entry& entry, ByteSource& /*contents*/) {
  keep_aside(entry.path, make(entry));
}

void MemoryFiles::link_aside(DraftDir& from, const std::string& from_name, const RelPath& path) {
  keep_aside(path, file_at(from, from_name));
}

void MemoryFiles::keep_aside(const RelPath& path, DraftFile& file) {
  ++file.links;
  if (const auto old = aside_.find(path.name()); old != aside_.end()) drop_aside(old);
  aside_.emplace(std::pmr::string(path.name(), &arena_), &file);
}

bool MemoryFiles::link_from_aside(const RelPath& path, DraftDir& dir, const std::string& name) {
  need(dir);
  return add_name(dir, name, *aside_.find(path.name())->second);
}

void MemoryFiles::drop_aside() {
  while (!aside_.empty())
    drop_aside(aside_.begin());
}

void MemoryFiles::drop_aside(Aside::iterator at) {
  DraftFile& file = *at->second;
  aside_.erase(at);
  unlink(file);
}

bool MemoryFiles::add_name(DraftDir& dir, std::string_view name, DraftFile& file) {
  if (!names_.add(dir, name, file)) return false;
  ++file.links;
  return true;
}

void MemoryFiles::drop_name(FileName& name) {
  DraftFile& file = *name.file;
  names_.remove(name);
  unlink(file);
}

void MemoryFiles::unlink(DraftFile& file) {
  if (--file.links == 0) std::pmr::polymorphic_allocator<>(&arena_).delete_object(&file);
}

}  // namespace layerkit
