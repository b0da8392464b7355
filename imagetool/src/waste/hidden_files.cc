#include "waste/hidden_files.h"

#include "sort_record.h"
#include "waste/top_list.h"

namespace layerkit {
namespace {

enum : std::uint8_t { kIsLower, kIsName, kHasName };

/// The file that a hard link of the layer found below it, in the first `below` versions.
std::optional<std::size_t> lower_file(const std::vector<StackedVersion>& versions,
                                      std::size_t below,
                                      std::size_t layer) {
  if (below == 0) return std::nullopt;
  const StackedVersion& version = versions[below - 1];
  const bool was_seen = !version.hiding || version.hiding->layer >= layer;
  if (!was_seen || version.entry.type != FileType::Regular) return std::nullopt;
  return below - 1;
}

}  // namespace

void HiddenFiles::add_linked_lower(std::size_t layer, const RelPath& path) {
  links_.add(SortRecord().path(path).u32(layer).u8(kIsLower).str());
}

void HiddenFiles::add_name_of_lower(std::size_t layer, const RelPath& name, const RelPath& path) {
  links_.add(SortRecord().path(name).u32(layer).u8(kIsName).str());
  links_.add(SortRecord().path(path).u32(layer).u8(kHasName).path(name).str());
}

void HiddenFiles::add_link_record(RecordFields& fields, std::vector<LinkNote>& notes) {
  const std::size_t layer = fields.u32();
  if (notes.empty() || notes.back().layer != layer) notes.push_back({.layer = layer, .name = {}});
  LinkNote& note = notes.back();
  const std::uint8_t kind = fields.u8();
  note.is_lower = note.is_lower || kind == kIsLower;
  note.is_name = note.is_name || kind == kIsName;
  // All of them are one file: one is enough.
  if (kind == kHasName && !note.name) note.name = fields.path();
}

/// Of each layer one, the lowest first. REQUIRES: it is asked in the order of the paths.
std::vector<HiddenFiles::LinkNote> HiddenFiles::notes_of(const RelPath& path) {
  std::vector<LinkNote> notes;
  const auto read = [&] {
    const auto record = links_.next();
    next_link_ = record ? std::optional<std::string>(*record) : std::nullopt;
  };
  if (!std::exchange(links_started_, true)) read();
  for (; next_link_; read()) {
    RecordFields fields(*next_link_);
    const RelPath linked = fields.path();
    if (path < linked) break;
    if (linked == path) add_link_record(fields, notes);
  }
  return notes;
}

HiddenFiles::FileKey HiddenFiles::key_of(std::size_t layer, const RelPath& path) const {
  const auto identity = trees_[layer]->identity(path);
  if (identity) return {layer, identity->number, {}};
  return {layer, 0, path};
}

void HiddenFiles::set_file(const FileKey& key, const std::shared_ptr<File>& file) {
  const auto names = names_.find({key.layer, key.number});
  if (key.path.is_root() && names != names_.end()) names->second.file = file;
}

/// `path` is a name of a lower file, which is returned when it is known; else `file` is kept until
/// it is.
std::shared_ptr<HiddenFiles::File> HiddenFiles::file_of_name(std::size_t layer,
                                                             const RelPath& path,
                                                             const std::shared_ptr<File>& file) {
  const FileKey key = key_of(layer, path);
  const auto [linked, is_first] = linked_.try_emplace(key, Linked{file, false});
  if (is_first || !linked->second.is_lower) return file;
  std::shared_ptr<File> lower = std::move(linked->second.file);
  linked_.erase(linked);
  if (lower == file) return file;
  absorb(*lower, *file);
  set_file(key, lower);
  return lower;
}

/// What the name of the note stands for is the file of the last of the versions `below`.
void HiddenFiles::unite(const LinkNote& note,
                        const std::vector<StackedVersion>& versions,
                        const std::vector<std::shared_ptr<File>>& files,
                        std::size_t below) {
  const auto found = note.name ? lower_file(versions, below, note.layer) : std::nullopt;
  if (!found) return;
  const std::shared_ptr<File>& lower = files[*found];
  const FileKey key = key_of(note.layer, *note.name);
  const auto [linked, is_first] = linked_.try_emplace(key, Linked{lower, true});
  if (is_first) return;
  if (linked->second.file != lower) {
    absorb(*lower, *linked->second.file);
    set_file(key, lower);
  }
  linked_.erase(linked);
}

/// They are one file: `other` is not to be counted.
void HiddenFiles::absorb(File& file, const File& other) {
  file.is_shown = file.is_shown || other.is_shown;
  if (other.record.hiding.layer > file.record.hiding.layer)
    file.record.hiding = other.record.hiding;
}

std::shared_ptr<HiddenFiles::File> HiddenFiles::file_of(
    const StackedVersion& version, const std::optional<FileIdentity>& identity) {
  const auto make = [&] {
    auto file = std::make_shared<File>();
    file->path = version.entry.path;
    file->record.layer = version.layer;
    file->record.size = version.entry.size;
    return file;
  };
  if (!identity) return make();
  Names& names = names_[{version.layer, identity->number}];
  names.links = identity->links;
  if (!names.file) names.file = make();
  return names.file;
}

void HiddenFiles::visit(const RelPath& path, const std::vector<StackedVersion>& versions) {
  std::vector<std::shared_ptr<File>> files(versions.size());
  const std::vector<LinkNote> notes = notes_of(path);
  auto note = notes.begin();
  for (std::size_t i = 0; i < versions.size(); ++i) {
    const StackedVersion& version = versions[i];
    while (note != notes.end() && note->layer < version.layer)
      unite(*note++, versions, files, i);
    LinkNote own;
    if (note != notes.end() && note->layer == version.layer) own = *note++;
    unite(own, versions, files, i);
    if (version.entry.type != FileType::Regular) continue;
    const auto identity = trees_[version.layer]->identity(path);
    files[i] = file_of(version, identity);
    const auto lower = own.is_lower ? lower_file(versions, i, version.layer) : std::nullopt;
    if (lower) {
      absorb(*files[*lower], *files[i]);
      if (identity) names_[{version.layer, identity->number}].file = files[*lower];
      files[i] = files[*lower];
    }
    if (own.is_name) files[i] = file_of_name(version.layer, path, files[i]);
    File& file = *files[i];
    if (!version.hiding) {
      file.is_shown = true;
    } else if (version.hiding->layer >= file.record.hiding.layer) {
      file.record.hiding = *version.hiding;
    }
    if (!identity) continue;
    const auto names = names_.find({version.layer, identity->number});
    if (++names->second.seen == names->second.links) names_.erase(names);
  }
  while (note != notes.end())
    unite(*note++, versions, files, versions.size());
  // Who holds a file last has seen all its names.
  for (auto& held : files) {
    const std::shared_ptr<File> file = std::move(held);
    if (file && file.use_count() == 1) finish(*file);
  }
}

void HiddenFiles::finish(const File& file) {
  const HiddenFile& record = file.record;
  if (file.is_shown) {
    result_.shown_bytes += record.size;
    return;
  }
  result_.hidden_bytes += record.size;
  if (record.size == 0) return;
  hidden_.add(SortRecord()
                  .path(file.path)
                  .u32(record.layer)
                  .u64(record.size)
                  .u32(record.hiding.layer)
                  .u8(static_cast<std::uint8_t>(record.hiding.kind))
                  .str());
}

std::vector<HiddenPath> HiddenFiles::dearest(std::size_t top) {
  TopList<HiddenPath> paths(top);
  HiddenPath at;
  const auto flush = [&] {
    if (!at.files.empty()) paths.add(at.bytes, std::move(at));
    at = {};
  };
  while (const auto record = hidden_.next()) {
    RecordFields fields(*record);
    RelPath path = fields.path();
    if (path != at.path) flush();
    at.path = std::move(path);
    HiddenFile file;
    file.layer = fields.u32();
    file.size = fields.u64();
    file.hiding.layer = fields.u32();
    file.hiding.kind = static_cast<HidingKind>(fields.u8());
    at.bytes += file.size;
    at.files.push_back(file);
  }
  flush();
  return std::move(paths).take();
}

HiddenFiles::Result HiddenFiles::run(std::size_t top, const Context& context) {
  walk_stack(
      trees_,
      [this](const RelPath& path, const std::vector<StackedVersion>& versions) {
        visit(path, versions);
      },
      context);
  // Names that a layer has lost are counted as links of their file.
  while (!names_.empty()) {
    const std::shared_ptr<File> file = std::move(names_.begin()->second.file);
    names_.erase(names_.begin());
    if (file.use_count() == 1) finish(*file);
  }
  while (!linked_.empty()) {
    const std::shared_ptr<File> file = std::move(linked_.begin()->second.file);
    linked_.erase(linked_.begin());
    if (file.use_count() == 1) finish(*file);
  }
  result_.paths = dearest(top);
  return std::move(result_);
}

}  // namespace layerkit
