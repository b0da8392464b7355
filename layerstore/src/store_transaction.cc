#include "store_transaction.h"

#include <fcntl.h>

#include <algorithm>
#include <map>
#include <vector>

#include "layer_index.h"
#include "layerkit/base/error.h"
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
  std::optional<std::string> staged_name;  ///< on its way: its directory in the staging directory
  std::shared_ptr<const LayerTree> tree;
};

/// A layer of this transaction: where it is in the staging directory.
struct PendingLayer {
  ChainId chain;
  std::optional<ChainId> parent;
  std::string staged_name;
};

/// A layer directory in staging that is removed again unless it is kept.
class StagedLayer {
 public:
  StagedLayer(int staging_fd, std::string name)
      : staging_(staging_fd), name_(std::move(name)), dir_(make_exact_dir(staging_, name_, 0710)) {}
  StagedLayer(const StagedLayer&) = delete;
  StagedLayer& operator=(const StagedLayer&) = delete;
  ~StagedLayer() {
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

bool is_stored_file(const Entry& entry) {
  return entry.hides == Hides::Nothing && entry.type == FileType::Regular &&
         !entry.hard_link_target;
}

/// One pass over a layer's tar: unpacks, hashes and writes the recipe.
class LayerUnpacker {
 public:
  LayerUnpacker(const StagedLayer& layer,
                std::shared_ptr<const LayerTree> lower,
                const Context& context)
      : diff_(make_exact_dir(layer.fd(), store_file::kDiff, 0755)),
        recipe_(layer.fd()),
        replaced_(layer.fd(), diff_, recipe_),
        writer_(make_overlay_diff_writer(open_at(diff_.fd(), ".", O_RDONLY | O_DIRECTORY),
                                         std::move(lower),
                                         context,
                                         [this](const RelPath& path) { replaced_.keep(path); })),
        context_(context) {}

  /// `parent` of the result's info is `parent`.
  LayerRecord run(ByteSource& tar, const std::optional<ChainId>& parent, const TarLimits& limits) {
    HashingSource hashed(tar);
    const auto reader = make_tar_reader(hashed, TarDialect::Layer, limits, &recipe_);
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

  RootDir diff_;
  RecipeWriter recipe_;
  ReplacedFiles replaced_;
  std::unique_ptr<OverlayDiffWriter> writer_;
  const Context& context_;
};

class StoreTransaction final : public LayerTransaction {
 public:
  StoreTransaction(std::shared_ptr<const StoreDirs> dirs,
                   const TarLimits& limits,
                   ExistingLayers existing)
      : dirs_(std::move(dirs)), limits_(limits), existing_(existing), staging_(dirs_->staging()) {}

  LayerInfo add(const std::optional<ChainId>& parent,
                ByteSource& tar,
                const std::optional<DiffId>& expected,
                const Context& context) override {
    StagedLayer layer(staging_.fd(), std::to_string(layers_made_++));
    const LayerRecord record =
        LayerUnpacker(layer, view(parent), context).run(tar, parent, limits_);
    if (expected && record.info.diff_id != *expected) {
      fail(Errc::Integrity, "layer {} does not match its digest: the archive's config says {}",
           record.info.diff_id.str(), expected->str());
    }
    if (existing_ == ExistingLayers::Keep) {
      if (const KnownLayer* known = find(record.info.chain)) return known->record.info;
    }
    write_frame(layer, record);
    pending_.push_back({record.info.chain, parent, layer.name()});
    layer.keep();
    return record.info;
  }

  void commit() override {
    if (pending_.empty()) return;
    for (const PendingLayer& layer : pending_) {
      dirs_->add_link(layer.chain.hex());
    }
    sync_filesystem(staging_.fd());
    for (const PendingLayer& layer : pending_) {
      publish(layer);
    }
    sync_fd(dirs_->overlay(), store_file::kOverlay);
    pending_.clear();
    known_.clear();  // they are no longer where they were
  }

 private:
  /// Null when neither the store nor this transaction has it.
  const KnownLayer* find(const ChainId& chain) {
    const auto found = known_.find(chain);
    if (found != known_.end()) return &found->second;
    const auto record = dirs_->find_layer(chain);
    if (!record) return nullptr;
    KnownLayer layer{*record, std::nullopt, dirs_->tree(chain.hex())};
    return &known_.emplace(chain, std::move(layer)).first->second;
  }

  const KnownLayer& get(const ChainId& chain) {
    const KnownLayer* layer = find(chain);
    if (layer == nullptr) {
      fail(Errc::NotFound, "adding a layer on {}: there is no such layer", chain.str());
    }
    return *layer;
  }

  /// Null for a base layer.
  std::shared_ptr<const LayerTree> view(const std::optional<ChainId>& chain) {
    if (!chain) return nullptr;
    std::vector<std::shared_ptr<const LayerTree>> trees;
    for (std::optional<ChainId> next = chain; next;) {
      const KnownLayer& layer = get(*next);
      trees.push_back(layer.tree);
      next = layer.record.beneath == Beneath::Hidden ? std::nullopt : layer.record.info.parent;
    }
    std::reverse(trees.begin(), trees.end());
    return make_union_view(std::move(trees));
  }

  /// The small files beside `diff`; makes the layer known.
  void write_frame(const StagedLayer& layer, const LayerRecord& record) {
    const std::optional<ChainId>& parent = record.info.parent;
    std::string lower;
    if (parent) {
      if (record.beneath == Beneath::Seen) lower = lower_above(parent->hex(), lower_of(*parent));
      write_exact_file(layer.fd(), store_file::kLower, lower, 0644);
    }
    write_exact_file(layer.fd(), store_file::kLink, link_name(record.info.chain.hex()), 0644);
    write_exact_file(layer.fd(), store_file::kCommitted, "", 0600);
    write_exact_file(layer.fd(), store_file::kLayer, format_layer_record(record), 0600);
    write_layer_index(layer.fd());
    known_.insert_or_assign(record.info.chain,
                            KnownLayer{record, layer.name(), staged_tree(layer, record)});
  }

  /// Text of the file `lower` of a layer.
  std::string lower_of(const ChainId& chain) {
    const KnownLayer& layer = get(chain);
    if (!layer.staged_name) return dirs_->lower_of(chain.hex());
    const Fd dir = open_dir_at(staging_.fd(), *layer.staged_name);
    if (!stat_at(dir.get(), store_file::kLower)) return {};
    return read_file_at(dir.get(), store_file::kLower, kMaxLowerBytes);
  }

  /// Valid as long as the layer is in the staging directory.
  std::shared_ptr<const LayerTree> staged_tree(const StagedLayer& layer,
                                               const LayerRecord& record) const {
    return make_layer_index_tree(
        open_at(layer.fd(), store_file::kIndex, O_RDONLY | O_NOFOLLOW), record.info.chain.hex(),
        dirs_->index_pages(), [this, name = layer.name()] {
          return open_dir_at(open_dir_at(staging_.fd(), name).get(), store_file::kDiff);
        });
  }

  void publish(const PendingLayer& layer) {
    if (layer.parent) dirs_->layer(*layer.parent);
    const std::string name = layer.chain.hex();
    if (existing_ == ExistingLayers::Replace && stat_at(dirs_->overlay(), name)) {
      // What was there goes with the staging directory, when the exchange is durable.
      return exchange_at(staging_.fd(), layer.staged_name, dirs_->overlay(), name);
    }
    try {
      rename_noreplace_at(staging_.fd(), layer.staged_name, dirs_->overlay(), name);
    } catch (const Error& error) {
      // Another process committed the same layer meanwhile; ours goes with the staging directory.
      if (error.code() != Errc::Exists || !dirs_->find_layer(layer.chain)) throw;
    }
  }

  std::shared_ptr<const StoreDirs> dirs_;
  TarLimits limits_;
  ExistingLayers existing_;
  StagingDir staging_;
  std::uint64_t layers_made_ = 0;
  std::vector<PendingLayer> pending_;  ///< parents before children
  std::map<ChainId, KnownLayer> known_;
};

}  // namespace

std::unique_ptr<LayerTransaction> make_store_transaction(std::shared_ptr<const StoreDirs> dirs,
                                                         const TarLimits& limits,
                                                         ExistingLayers existing) {
  return std::make_unique<StoreTransaction>(std::move(dirs), limits, existing);
}

}  // namespace layerkit
