#include "store_dirs.h"

#include <fcntl.h>

#include <algorithm>

#include "layer_index.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"

namespace layerkit {
namespace {

/// 6 MiB: the root directories of many hundred layers, and the way into large ones.
constexpr std::size_t kIndexPages = 1536;

/// nullopt when the directory or the record is absent, or goes away while it is read.
std::optional<std::string> read_record(int overlay,
                                       const std::string& directory,
                                       const char* record) {
  const auto dir = open_at_if_exists(overlay, directory, O_PATH | O_DIRECTORY | O_NOFOLLOW);
  if (!dir) return std::nullopt;
  try {
    return read_file_at(dir->get(), record, kMaxRecordBytes);
  } catch (const Error& error) {
    if (error.code() == Errc::NotFound) return std::nullopt;
    throw;
  }
}

template <typename Parse>
auto parse_named(const std::string& directory, const char* record, const Parse& parse) {
  return with_context([&] { return fmt::format("reading {}", quoted(directory + "/" + record)); },
                      parse);
}

bool is_chain_name(const std::string& name) {
  return name.size() == 2 * Sha256Digest::kBytes &&
         name.find_first_not_of("0123456789abcdef") == std::string::npos;
}

}  // namespace

StoreDirs::StoreDirs(Fd root, std::string path)
    : root_(std::move(root)),
      path_(std::move(path)),
      overlay_(open_dir_at(root_.get(), store_file::kOverlay)),
      links_(open_dir_at(overlay_.get(), store_file::kLinks)),
      staging_(open_dir_at(root_.get(), store_file::kStaging)),
      index_pages_(make_index_page_cache(kIndexPages)) {}

std::optional<LayerRecord> StoreDirs::find_layer(const ChainId& chain) const {
  const std::string name = chain.hex();
  const auto text = read_record(overlay(), name, store_file::kLayer);
  if (!text) return std::nullopt;
  return parse_named(name, store_file::kLayer, [&] {
    LayerRecord record = parse_layer_record(*text);
    if (record.info.chain != chain) fail(Errc::Integrity, "it is the record of another layer");
    return record;
  });
}

LayerRecord StoreDirs::layer(const ChainId& chain) const {
  const auto record = find_layer(chain);
  if (!record) fail(Errc::NotFound, "layer {}: not in the store", chain.str());
  return *record;
}

std::vector<LayerRecord> StoreDirs::layers() const {
  std::vector<LayerRecord> records;
  for (const DirEntry& entry : list_dir(overlay())) {
    if (!is_chain_name(entry.name)) continue;
    // A container may have such a name, too; it has no layer record.
    const auto record = find_layer(ChainId::from_hex(entry.name));
    if (record) records.push_back(*record);
  }
  return records;
}

std::optional<ContainerRecord> StoreDirs::find_container(const std::string& name) const {
  const auto text = read_record(overlay(), name, store_file::kContainer);
  if (!text) return std::nullopt;
  return parse_named(name, store_file::kContainer, [&] { return parse_container_record(*text); });
}

std::vector<std::string> StoreDirs::containers(ContainerRole role) const {
  std::vector<std::string> names;
  for (DirEntry& entry : list_dir(overlay())) {
    if (entry.name == store_file::kLinks) continue;
    const auto record = find_container(entry.name);
    if (record && record->role == role) names.push_back(std::move(entry.name));
  }
  return names;
}

std::vector<LayerRecord> StoreDirs::stack(const std::optional<ChainId>& chain) const {
  std::vector<LayerRecord> records;
  for (std::optional<ChainId> next = chain; next;) {
    records.push_back(layer(*next));
    const LayerRecord& record = records.back();
    next = record.beneath == Beneath::Hidden ? std::nullopt : record.info.parent;
  }
  return records;
}

std::string StoreDirs::lower_of(const std::string& directory) const {
  const Fd dir = open_directory(directory);
  if (!stat_at(dir.get(), store_file::kLower)) return {};
  return read_file_at(dir.get(), store_file::kLower, kMaxLowerBytes);
}

Fd StoreDirs::open_directory(const std::string& directory) const {
  return open_at(overlay(), directory, O_PATH | O_DIRECTORY | O_NOFOLLOW);
}

Fd StoreDirs::open_below(const std::string& directory, const std::string& sub, int flags) const {
  return with_context(
      [&] { return fmt::format("opening layer {}", quoted(directory)); },
      [&] { return open_at(open_directory(directory).get(), sub, flags | O_NOFOLLOW); });
}

std::string StoreDirs::path_of(const std::string& directory, const std::string& sub) const {
  return fmt::format("{}/{}/{}/{}", path_, store_file::kOverlay, directory, sub);
}

std::shared_ptr<const LayerTree> StoreDirs::tree(const std::string& directory) const {
  constexpr int kDiffFlags = O_RDONLY | O_DIRECTORY;
  const Fd layer = open_directory(directory);
  auto index =
      open_at_if_exists(layer.get(), store_file::kIndex, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (!index) return make_overlay_diff_tree(open_below(directory, store_file::kDiff, kDiffFlags));
  return make_layer_index_tree(std::move(*index), directory, index_pages_,
                               [dirs = shared_from_this(), directory] {
                                 return dirs->open_below(directory, store_file::kDiff, kDiffFlags);
                               });
}

std::shared_ptr<const LayerTree> StoreDirs::view(const std::optional<ChainId>& chain) const {
  std::vector<std::shared_ptr<const LayerTree>> trees;
  for (const LayerRecord& record : stack(chain)) {
    trees.push_back(tree(record.info.chain.hex()));
  }
  std::reverse(trees.begin(), trees.end());
  return make_union_view(std::move(trees));
}

void StoreDirs::add_link(const std::string& directory) const {
  const std::string name = link_name(directory);
  const std::string target = fmt::format("../{}/{}", directory, store_file::kDiff);
  try {
    make_symlink_at(target, links(), name);
  } catch (const Error& error) {
    // Left by a process that died, or made just now by another one that commits the same layer.
    if (error.code() != Errc::Exists || read_link_at(links(), name) != target) throw;
  }
}

void StoreDirs::remove_link(const std::string& directory) const {
  unlink_at(links(), link_name(directory));
}

}  // namespace layerkit
