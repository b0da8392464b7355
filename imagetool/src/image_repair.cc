#include "image_repair.h"

#include <fcntl.h>

#include <algorithm>
#include <filesystem>

#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/image_check.h"
#include "layerkit/imagetool/mount_table.h"

namespace layerkit {
namespace {

class StoreRepair {
 public:
  StoreRepair(const std::string& root, const RepairOptions& options, const Context& context)
      : root_(std::filesystem::absolute(root).lexically_normal().string()),
        options_(options),
        context_(context),
        inspection_(inspect_store(root_)),
        dir_(open_at(AT_FDCWD, root_, O_RDONLY | O_DIRECTORY)) {}

  /// What was found before anything was mended.
  std::vector<Finding> run() {
    const FileLock lock = inspection_->lock(LockKind::Exclusive);
    std::vector<Finding> found = check();
    if (options_.depth == CheckDepth::Deep) deep_ = inspection_->deep(context_);
    mend();
    attempt("repairing", [&] { mend_objects(); });
    mend();
    found.insert(found.end(), deep_.begin(), deep_.end());
    return found;
  }

 private:
  template <typename Work>
  bool attempt(const std::string& what, const Work& work) {
    try {
      work();
      return true;
    } catch (const Error& error) {
      if (error.code() == Errc::Interrupted) throw;
      context_.warn(what + ": " + error.message());
      return false;
    }
  }

  std::vector<Finding> check() {
    return check_records(*inspection_, dir_.get(), StoreReferences::Known::All, context_);
  }

  /// The store's frame and records.
  void mend() {
    const std::vector<Finding> found =
        look(context_, [&](Examination& examination) { examine_records(examination, dir_.get()); });
    Examination mending(context_, keys_of(found));
    examine_records(mending, dir_.get());
    Examination after(context_);
    const ImageSurvey survey = examine_records(after, dir_.get());
    inspection_->mend(survey.references(StoreReferences::Known::All), context_);
  }

  /// What takes a store that can be used: what others left half-done, layers and configs.
  void mend_objects() {
    const auto store = ImageStore::open(root_);
    ContainerStore(*store).clean();
    MountTable(*store).clean();
    Examination examination(context_);
    const ImageSurvey survey = examine_records(examination, dir_.get());
    std::set<ChainId> from_itself;
    LostObjects lost{{}, survey.lost_images};
    sort_layers(survey, from_itself, lost.layers);
    rebuild(from_itself);
    if (!options_.archive || (lost.layers.empty() && lost.images.empty())) return;
    std::vector<Image> known;
    for (const auto& [id, image] : survey.images)
      known.push_back(image);
    const auto archive = open_archive(*options_.archive, store->layers(), context_);
    restore_from_archive(*store, *inspection_, *archive, known, lost, context_);
  }

  /// Damaged layers, by what can mend them.
  void sort_layers(const ImageSurvey& survey,
                   std::set<ChainId>& from_itself,
                   std::set<ChainId>& from_archive) {
    std::vector<Finding> findings = check();
    findings.insert(findings.end(), deep_.begin(), deep_.end());
    const std::set<ChainId> used = layers_in_use(survey);
    for (const Finding& finding : findings) {
      if (!finding.layer || finding.severity == Severity::Leftover) continue;
      if (used.contains(*finding.layer) && finding.kind != "layer-missing") {
        context_.warn(fmt::format(
            "mending {} ({}): a running container or a mount uses the layer; stop it first",
            finding.object, finding.kind));
        continue;
      }
      (finding.mend == Mend::Repair ? from_itself : from_archive).insert(*finding.layer);
    }
    for (const ChainId& chain : from_archive)
      from_itself.erase(chain);
  }

  static std::set<ChainId> layers_in_use(const ImageSurvey& survey) {
    std::set<ImageId> images = survey.mounted_images;
    for (const ContainerInfo& container : survey.containers) {
      if (survey.live_containers.contains(container.id)) images.insert(container.image);
    }
    std::set<ChainId> used;
    for (const ImageId& id : images) {
      const auto found = survey.images.find(id);
      if (found == survey.images.end()) continue;
      for (const ChainId& chain : found->second.chain_ids())
        used.insert(chain);
    }
    return used;
  }

  /// A layer whose record is lost needs its parent's: as long as one succeeds the others have
  /// another chance.
  void rebuild(std::set<ChainId> chains) {
    const Context quiet = without_warnings();
    for (std::size_t before = chains.size() + 1; !chains.empty() && chains.size() < before;) {
      before = chains.size();
      std::erase_if(chains, [&](const ChainId& chain) {
        try {
          inspection_->rebuild(chain, quiet);
          return true;
        } catch (const Error& error) {
          if (error.code() == Errc::Interrupted) throw;
          return false;
        }
      });
    }
    for (const ChainId& chain : chains) {
      attempt("rebuilding layer " + chain.str(), [&] { inspection_->rebuild(chain, quiet); });
    }
  }

  /// What a load warns of was said when the layer was loaded.
  Context without_warnings() const {
    Context quiet;
    quiet.interrupted = context_.interrupted;
    return quiet;
  }

  std::string root_;
  const RepairOptions& options_;
  const Context& context_;
  std::unique_ptr<StoreInspection> inspection_;
  Fd dir_;
  std::vector<Finding> deep_;
};

}  // namespace

CheckReport repair_store(const std::string& root,
                         const RepairOptions& options,
                         const Context& context) {
  const std::vector<Finding> before = StoreRepair(root, options, context).run();
  CheckReport report = check_store(root, options.depth, context);
  const auto left = keys_of(report.findings);
  for (const Finding& finding : before) {
    if (!left.contains(finding.key())) report.mended.push_back(finding);
  }
  return report;
}

}  // namespace layerkit
