#include "store_transaction.h"

#include <fcntl.h>

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "layer_index.h"
#include "layerkit/base/error.h"
#include "layerkit/base/hashing_stream.h"
#include "layerkit/base/root_dir.h"
#include "layerkit/base/text.h"
#include "layerkit/layerstore/diff_dir.h"
#include "recipe_writer.h"
#include "replaced_files.h"
#include "staging.h"
#include "store_files_linux.h"

namespace layerkit {
namespace {

/// A layer that can be built on: committed, or on its way.
struct KnownLayer {
  LayerRecord record;
  std::shared_ptr<const LayerTree> tree;
};

/// A layer directory in staging that is removed again unless it is kept.
class UnpackedLayer {
 public:
  UnpackedLayer(int staging_fd, std::string name)
      : staging_(staging_fd), name_(std::move(name)), dir_(make_exact_dir(staging_, name_, 0710)) {}
  UnpackedLayer(const UnpackedLayer&) = delete;
  UnpackedLayer& operator=(const UnpackedLayer&) = delete;
  ~UnpackedLayer() {
    if (kept_) return;
    try {
      remove_tree_at(staging_, name_);
    } catch (const Error&) {  // NOLINT(bugprone-empty-catch): goes with the staging directory
    }
  }

  int fd() const noexcept { return dir_.get(); }
  const std::string& name() const noexcept { return name_; }
  void keep() noexcept { kept_ = true; }

 private:
  int staging_;
  std::string name_;
  Fd dir_;
  bool kept_ = false;
};

/// One pass over a layer's tar: unpacks, hashes and writes the recipe.
class LayerUnpacker {
 public:
  LayerUnpacker(const UnpackedLayer& layer,
                std::shared_ptr<const LayerTree> lower,
                DiffFormat format,
                const TarLimits& limits,
                const Context& context)
      : limits_(limits),
        diff_(make_exact_dir(layer.fd(), store_file::kDiff, 0755)),
        recipe_(layer.fd()),
        replaced_(layer.fd(), diff_, recipe_),
        writer_(make_diff_writer(
            open_at(diff_.fd(), ".", O_RDONLY | O_DIRECTORY),
            std::move(lower),
            context,
            format,
            [this](const RelPath& path) { replaced_.keep(path); },
            limits.entries)),
        context_(context) {}

  /// `parent` of the result's info is `parent`.
  LayerRecord run(ByteSource& tar, const std::optional<ChainId>& parent) {
    HashingSource hashed(tar);
    const auto reader = make_tar_reader(hashed, TarDialect::Layer, limits_, &recipe_);
    std::uint64_t entries = 0;
    while (const auto entry = reader->next()) {
      context_.check_interrupted();
      add(*entry, reader->contents());
      ++entries;
    }
    writer_->finish();
    const DiffId diff_id(hashed.finish());
    LayerRecord record{LayerInfo{chain_id(parent, diff_id), diff_id, parent}};
    record.info.size = writer_->content_bytes();
    record.info.tar_size = hashed.size();
    record.entries = entries;
    record.replaced = replaced_.count();
    record.beneath = writer_->hides_everything_below() ? Beneath::Hidden : Beneath::Seen;
    recipe_.finish(diff_id, hashed.size());
    return record;
  }

 private:
  void add(const Entry& entry, ByteSource& contents) {
    if (!is_stored_file(entry)) return writer_->add(entry, contents);
    recipe_.begin_file();
    writer_->add(entry, contents);
    const auto file = writer_->last_file();
    if (!file) {
      fail(Errc::Invalid, "unpacking {}: its contents are in no file", quoted(entry.path.str()));
    }
    recipe_.end_file(*file, entry.size);
  }

  TarLimits limits_;
  RootDir diff_;
  RecipeWriter recipe_;
  ReplacedFiles replaced_;
  std::unique_ptr<DiffWriter> writer_;
  const Context& context_;
};

class StoreTransaction final : public LayerTransaction {
 public:
  StoreTransaction(std::shared_ptr<const StoreDirs> dirs,
                   const StoreOptions& options,
                   ExistingLayers existing)
      : dirs_(std::move(dirs)),
        options_(options),
        existing_(existing),
        staging_(dirs_->staging()) {}

  LayerInfo add(const std::optional<ChainId>& parent,
                ByteSource& tar,
                const std::optional<DiffId>& expected,
                const Context& context) override {
    UnpackedLayer layer(staging_.fd(), std::to_string(layers_made_++));
    const LayerRecord record =
        LayerUnpacker(layer, view(parent), dirs_->format(), options_.tar_limits, context)
            .run(tar, parent);
    count_bytes(record.info);
    if (expected && record.info.diff_id != *expected) {
      fail(Errc::Integrity, "layer {} does not match its digest: the archive's config says {}",
           record.info.diff_id.str(), expected->str());
    }
    if (existing_ == ExistingLayers::Keep) {
      if (const KnownLayer* known = find(record.info.chain)) return known->record.info;
    }
    write_frame(layer, record);
    pending_.push_back({layer.name(), record.info.chain.hex()});
    layer.keep();
    return record.info;
  }

  void commit() override {
    if (pending_.empty()) return;
    require_parents();
    dirs_->layout().prepare(pending_);
    sync_filesystem(staging_.fd());
    dirs_->layout().publish(
        staging_.fd(), pending_,
        existing_ == ExistingLayers::Replace ? IfTaken::Replace : IfTaken::KeepOld);
    pending_.clear();
    known_.clear();  // they are no longer where they were
  }

 private:
  void count_bytes(const LayerInfo& layer) {
    unpacked_bytes_ += std::max(layer.size, layer.tar_size);
    if (unpacked_bytes_ <= options_.transaction_bytes) return;
    fail(Errc::Limit, "the layers unpack to more than {} bytes together (the limit max-size)",
         options_.transaction_bytes);
  }

  /// Null when neither the store nor this transaction has it.
  const KnownLayer* find(const ChainId& chain) {
    const auto found = known_.find(chain);
    if (found != known_.end()) return &found->second;
    const auto record = dirs_->find_layer(chain);
    if (!record) return nullptr;
    KnownLayer layer{*record, dirs_->tree(chain.hex())};
    return &known_.emplace(chain, std::move(layer)).first->second;
  }

  const KnownLayer& get(const ChainId& chain) {
    const KnownLayer* layer = find(chain);
    if (layer == nullptr) {
      fail(Errc::NotFound, "adding a layer on {}: there is no such layer", chain.str());
    }
    return *layer;
  }

  /// What a mount of `chain` is made of, nearest first.
  std::vector<const KnownLayer*> stack(const std::optional<ChainId>& chain) {
    std::vector<const KnownLayer*> layers;
    for (std::optional<ChainId> next = chain; next;) {
      const KnownLayer& layer = get(*next);
      layers.push_back(&layer);
      next = layer.record.beneath == Beneath::Hidden ? std::nullopt : layer.record.info.parent;
    }
    return layers;
  }

  /// Null for a base layer.
  std::shared_ptr<const LayerTree> view(const std::optional<ChainId>& chain) {
    if (!chain) return nullptr;
    std::vector<std::shared_ptr<const LayerTree>> trees;
    for (const KnownLayer* layer : stack(chain))
      trees.push_back(layer->tree);
    std::reverse(trees.begin(), trees.end());
    return make_union_view(std::move(trees));
  }

  /// The small files beside `diff`; makes the layer known.
  void write_frame(const UnpackedLayer& layer, const LayerRecord& record) {
    LayerFrame frame{record.info.chain.hex(), LayerKind::Image, std::nullopt};
    if (const std::optional<ChainId>& parent = record.info.parent) {
      frame.below.emplace();
      if (record.beneath == Beneath::Seen) {
        for (const KnownLayer* below : stack(parent))
          frame.below->push_back(below->record.info.chain.hex());
      }
    }
    dirs_->layout().add_frame(layer.fd(), frame);
    write_exact_file(layer.fd(), store_file::kLayer, format_layer_record(record), 0600);
    write_layer_index(layer.fd(), dirs_->format());
    known_.insert_or_assign(record.info.chain, KnownLayer{record, staged_tree(layer, record)});
  }

  /// Valid as long as the layer is in the staging directory.
  std::shared_ptr<const LayerTree> staged_tree(const UnpackedLayer& layer,
                                               const LayerRecord& record) const {
    return make_layer_index_tree(
        open_at(layer.fd(), store_file::kIndex, O_RDONLY | O_NOFOLLOW), record.info.chain.hex(),
        dirs_->index_pages(), [this, name = layer.name()] {
          return open_dir_at(open_dir_at(staging_.fd(), name).get(), store_file::kDiff);
        });
  }

  /// Each layer's parent is in this transaction or still in the store.
  void require_parents() const {
    std::set<std::string> names;
    for (const StagedDir& layer : pending_)
      names.insert(layer.name);
    for (const StagedDir& layer : pending_) {
      const auto& parent = known_.at(ChainId::from_hex(layer.name)).record.info.parent;
      if (parent && !names.contains(parent->hex())) dirs_->layer(*parent);
    }
  }

  std::shared_ptr<const StoreDirs> dirs_;
  StoreOptions options_;
  std::uint64_t unpacked_bytes_ = 0;  ///< by all layers so far
  ExistingLayers existing_;
  StagingDir staging_;
  std::uint64_t layers_made_ = 0;
  std::vector<StagedDir> pending_;  ///< parents before children
  std::map<ChainId, KnownLayer> known_;
};

}  // namespace

std::unique_ptr<LayerTransaction> make_store_transaction(std::shared_ptr<const StoreDirs> dirs,
                                                         const StoreOptions& options,
                                                         ExistingLayers existing) {
  return std::make_unique<StoreTransaction>(std::move(dirs), options, existing);
}

}  // namespace layerkit
