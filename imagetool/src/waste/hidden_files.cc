#include "waste/hidden_files.h"

#include "sort_record.h"
#include "waste/top_list.h"

namespace layerkit {
namespace {

/// The file that a hard link of the layer of versions[index] found below it.
std::optional<std::size_t> lower_file(const std::vector<StackedVersion>& versions,
                                      std::size_t index) {
  if (index == 0) return std::nullopt;
  const StackedVersion& below = versions[index - 1];
  const bool was_seen = !below.hiding || below.hiding->layer == versions[index].layer;
  if (!was_seen || below.entry.type != FileType::Regular) return std::nullopt;
  return index - 1;
}

}  // namespace

void HiddenFiles::add_linked_lower(std::size_t layer, const RelPath& path) {
  links_.add(SortRecord().path(path).u32(layer).str());
}

/// REQUIRES: it is asked in the order of the paths, of one path the lowest layer first.
bool HiddenFiles::is_linked_lower(std::size_t layer, const RelPath& path) {
  const std::pair asked(path, layer);
  while (!links_started_ || (next_link_ && *next_link_ < asked)) {
    links_started_ = true;
    const auto record = links_.next();
    next_link_.reset();
    if (!record) break;
    RecordFields fields(*record);
    RelPath linked = fields.path();
    next_link_.emplace(std::move(linked), fields.u32());
  }
  return next_link_ && *next_link_ == asked;
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
  for (std::size_t i = 0; i < versions.size(); ++i) {
    const StackedVersion& version = versions[i];
    if (version.entry.type != FileType::Regular) continue;
    const auto identity = trees_[version.layer]->identity(path);
    files[i] = file_of(version, identity);
    const auto lower =
        is_linked_lower(version.layer, path) ? lower_file(versions, i) : std::nullopt;
    if (lower) {
      files[*lower]->is_shown = files[*lower]->is_shown || files[i]->is_shown;
      if (identity) names_[{version.layer, identity->number}].file = files[*lower];
      files[i] = files[*lower];
    }
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
  result_.paths = dearest(top);
  return std::move(result_);
}

}  // namespace layerkit
