#include "store_dirs.h"

#include <fcntl.h>

#include <algorithm>

#include "forwarding_tree.h"
#include "layer_index.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"

namespace layerkit {
namespace {

/// 6 MiB: the root directories of many hundred layers, and the way into large ones.
constexpr std::size_t kIndexPages = 1536;

/// nullopt when the directory or the record is absent, or goes away while it is read.
std::optional<std::string> read_record(const std::optional<Fd>& dir, const char* record) {
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

/// A layer of which the directory cannot say that it hides everything below.
class OpaqueRootTree final : public ForwardingTree {
 public:
  using ForwardingTree::ForwardingTree;

  std::optional<Entry> lookup(const RelPath& path) const override {
    auto entry = ForwardingTree::lookup(path);
    if (entry && path.is_root()) entry->hides = Hides::Below;
    return entry;
  }
};

}  // namespace

StoreDirs::StoreDirs(Fd root, std::string path, StoreDriver driver)
    : root_(std::move(root)),
      path_(std::move(path)),
      staging_(open_dir_at(root_.fd(), store_file::kStaging)),
      index_pages_(make_index_page_cache(kIndexPages)),
      layout_(make_driver_layout(driver, root_.fd())) {}

std::optional<LayerRecord> StoreDirs::find_layer(const ChainId& chain) const {
  const std::string name = chain.hex();
  const auto text = read_record(find_directory(name), store_file::kLayer);
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
  for (const std::string& name : layout_->names()) {
    if (!is_chain_name(name)) continue;
    // A container may have such a name, too; it has no layer record.
    const auto record = find_layer(ChainId::from_hex(name));
    if (record) records.push_back(*record);
  }
  return records;
}

std::optional<ContainerRecord> StoreDirs::find_container(const std::string& name) const {
  const auto text = read_record(find_directory(name), store_file::kContainer);
  if (!text) return std::nullopt;
  return parse_named(name, store_file::kContainer, [&] { return parse_container_record(*text); });
}

std::vector<std::string> StoreDirs::containers(ContainerRole role) const {
  std::vector<std::string> names;
  for (std::string& name : layout_->names()) {
    const auto record = find_container(name);
    if (record && record->role == role) names.push_back(std::move(name));
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

std::vector<std::string> StoreDirs::stack_names(const std::optional<ChainId>& chain) const {
  std::vector<std::string> names;
  for (const LayerRecord& record : stack(chain))
    names.push_back(record.info.chain.hex());
  return names;
}

bool StoreDirs::has_directory(const std::string& directory) const {
  const auto place = RelPath::parse(*layout_->place(directory, LayerPart::Records));
  return root_.stat(place, Follow::No).has_value();
}

std::optional<Fd> StoreDirs::find_directory(const std::string& directory) const {
  return find_part(directory, LayerPart::Records, O_PATH | O_DIRECTORY);
}

std::optional<Fd> StoreDirs::find_part(const std::string& directory,
                                       LayerPart part,
                                       int flags) const {
  const auto place = layout_->place(directory, part);
  if (!place) return std::nullopt;
  return root_.open_if_exists(RelPath::parse(*place), flags, Follow::No);
}

Fd StoreDirs::open_directory(const std::string& directory) const {
  return open_part(directory, LayerPart::Records, O_PATH | O_DIRECTORY);
}

Fd StoreDirs::open_part(const std::string& directory, LayerPart part, int flags) const {
  return with_context([&] { return fmt::format("opening layer {}", quoted(directory)); },
                      [&] {
                        const auto place = layout_->place(directory, part);
                        if (!place) fail(Errc::Unsupported, "the driver has no such directory");
                        return root_.open(RelPath::parse(*place), flags, Follow::No);
                      });
}

std::string StoreDirs::path_of(const std::string& directory, LayerPart part) const {
  const auto place = layout_->place(directory, part);
  return place ? path_ + "/" + *place : std::string();
}

std::shared_ptr<const LayerTree> StoreDirs::tree(const std::string& directory) const {
  auto index =
      with_context([&] { return fmt::format("opening layer {}", quoted(directory)); },
                   [&] {
                     return open_at_if_exists(open_directory(directory).get(), store_file::kIndex,
                                              O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
                   });
  if (!index) return make_diff_tree(open_diff(directory), format());
  return make_layer_index_tree(
      std::move(*index), directory, index_pages_,
      [dirs = shared_from_this(), directory] { return dirs->open_diff(directory); });
}

std::vector<std::shared_ptr<const LayerTree>> StoreDirs::layer_trees(
    const std::optional<ChainId>& chain) const {
  std::vector<std::shared_ptr<const LayerTree>> trees;
  for (std::optional<ChainId> next = chain; next;) {
    const LayerRecord record = layer(*next);
    auto layer_tree = tree(record.info.chain.hex());
    if (record.beneath == Beneath::Hidden) {
      layer_tree = std::make_shared<OpaqueRootTree>(std::move(layer_tree));
    }
    trees.push_back(std::move(layer_tree));
    next = record.info.parent;
  }
  std::reverse(trees.begin(), trees.end());
  return trees;
}

std::shared_ptr<const LayerTree> StoreDirs::view(const std::optional<ChainId>& chain) const {
  std::vector<std::shared_ptr<const LayerTree>> trees;
  for (const LayerRecord& record : stack(chain)) {
    trees.push_back(tree(record.info.chain.hex()));
  }
  std::reverse(trees.begin(), trees.end());
  return make_union_view(std::move(trees));
}

}  // namespace layerkit
