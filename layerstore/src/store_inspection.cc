#include <fcntl.h>

#include <algorithm>

#include "check_deep.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "layerkit/layerstore/store_check.h"
#include "recipe_summary.h"
#include "store_checks.h"
#include "store_transaction.h"
#include "stored_tar.h"

namespace layerkit {
namespace {

/// What is no store at all has nothing to check.
void require_store(int root) {
  const SmallFile version = read_small_file(root, store_file::kVersion, kMaxRecordBytes);
  const bool is_newer = version.text && version.text != kVersionText &&
                        version.text->starts_with(kVersionPrefix) && version.text->ends_with('\n');
  if (is_newer) {
    fail(Errc::Unsupported, "its format is {}; this program reads {}", quoted(*version.text),
         quoted(kVersionText));
  }
  if (!find_driver(root) && version.is_absent()) {
    fail(Errc::NotFound, "there is no store");
  }
}

void examine(Examination& examination, int root, const StoreReferences& references) {
  const StoreFrame frame = examine_frame(examination, root);
  examine_staging(examination, frame);
  if (!frame.check) return;
  const Survey survey = survey_layers(examination, frame);
  for (const auto& [chain, record] : survey.layers) {
    examination.context().check_interrupted();
    examine_layer(examination, frame, survey, record);
  }
  for (const auto& [name, record] : survey.containers)
    examine_container(examination, frame, survey, name, record);
  frame.check->examine_rest(examination, frame, survey);
  examine_references(examination, frame, survey, references);
}

class DirectoryInspection final : public StoreInspection {
 public:
  explicit DirectoryInspection(Fd root)
      : root_(std::move(root)),
        path_(read_link_at(AT_FDCWD, fmt::format("/proc/self/fd/{}", root_.get()))) {}

  FileLock lock(LockKind kind) const override { return {root_.get(), store_file::kLock, kind}; }

  std::optional<FileLock> try_lock() const override {
    return FileLock::try_lock(
        open_at(root_.get(), store_file::kLock, O_RDWR | O_CREAT | O_NOFOLLOW, 0600),
        LockKind::Exclusive);
  }

  std::vector<Finding> quick(const StoreReferences& references,
                             const Context& context) const override {
    return look_at(references, context);
  }

  std::vector<Finding> deep(const Context& context) const override {
    std::shared_ptr<const StoreDirs> store;
    try {
      store = dirs();
    } catch (const Error& error) {
      // Reported by the quick look, and nothing below it can be reached.
      context.warn("looking at the layers' files: " + error.message());
      return {};
    }
    return check_deep(*store, context);
  }

  void mend(const StoreReferences& references, const Context& context) override;
  void rebuild(const ChainId& chain, const Context& context) override;

  std::unique_ptr<LayerTransaction> begin_replacing() override {
    // The layers were accepted once, by whatever limits held then.
    StoreOptions options;
    options.tar_limits.entries = UINT64_MAX;
    options.tar_limits.unpacked_bytes = UINT64_MAX;
    options.transaction_bytes = UINT64_MAX;
    return make_store_transaction(dirs(), options, ExistingLayers::Replace);
  }

 private:
  std::vector<Finding> look_at(const StoreReferences& references, const Context& context) const {
    return look(context,
                [&](Examination& examination) { examine(examination, root_.get(), references); });
  }

  /// Throws where the frame is so damaged that there is nothing to work with.
  std::shared_ptr<const StoreDirs> dirs() const {
    return std::make_shared<const StoreDirs>(
        open_dir_at(root_.get(), "."), path_,
        find_driver(root_.get()).value_or(StoreDriver::Overlay2));
  }

  Fd root_;
  std::string path_;
};

/// Mending one thing may show another: the links in a directory that had to be made first.
void DirectoryInspection::mend(const StoreReferences& references, const Context& context) {
  constexpr int kRounds = 5;
  std::set<Examination::Key> before;
  for (int round = 0; round < kRounds; ++round) {
    std::vector<Finding> findings = look_at(references, context);
    std::erase_if(findings, [](const Finding& f) { return f.mend != Mend::Repair; });
    auto keys = keys_of(findings);
    if (keys.empty() || keys == before) return;
    Examination mending(context, keys);
    examine(mending, root_.get(), references);
    before = std::move(keys);
  }
}

void DirectoryInspection::rebuild(const ChainId& chain, const Context& context) {
  const auto store = dirs();
  std::set<ChainId> candidates;
  for (const std::string& name : store->layout().names()) {
    if (is_chain_name(name)) candidates.insert(ChainId::from_hex(name));
  }
  const auto parent = recover_parent(store->open_directory(chain.hex()).get(), chain, candidates);
  if (!parent) fail(Errc::Integrity, "the recipe is that of another layer");
  StoredTar tar(store->open_directory(chain.hex()), store->open_diff(chain.hex()));
  const auto transaction = begin_replacing();
  const LayerInfo info = transaction->add(parent->parent, tar, std::nullopt, context);
  if (info.chain != chain) {
    fail(Errc::Integrity, "the tar made from the store does not have the layer's digest");
  }
  transaction->commit();
}

}  // namespace

std::unique_ptr<StoreInspection> inspect_store(const std::string& root) {
  return with_context([&] { return fmt::format("opening the store {}", quoted(root)); },
                      [&] {
                        // A last symlink is the user's own choice of place.
                        Fd dir = open_at(AT_FDCWD, root, O_RDONLY | O_DIRECTORY);
                        require_store(dir.get());
                        return std::make_unique<DirectoryInspection>(std::move(dir));
                      });
}

}  // namespace layerkit
