#include "layerkit/imagetool/image_merge.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "image_layers.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/image_rewrite.h"
#include "layerkit/layerstore/tree_reader.h"
#include "merged_tree.h"

namespace layerkit {
namespace {

using nlohmann::json;

std::size_t count_shared(const std::vector<DiffId>& one, const std::vector<DiffId>& other) {
  const auto ends = std::ranges::mismatch(one, other);
  return static_cast<std::size_t>(ends.in1 - one.begin());
}

std::vector<DiffId> layers_of(const std::vector<ImageStep>& steps) {
  std::vector<DiffId> layers;
  for (const ImageStep& step : steps) {
    if (step.layer) layers.push_back(step.layer->diff_id);
  }
  return layers;
}

/// How many of the first of `more` belong to what both begin with: the layers, and the records
/// without a layer that follow them in both.
std::size_t count_common_steps(const std::vector<ImageStep>& steps,
                               const std::vector<ImageStep>& more) {
  const std::size_t layers = count_shared(layers_of(steps), layers_of(more));
  if (layers == 0) return 0;
  auto at = steps.begin() + static_cast<std::ptrdiff_t>(steps_with_layers(steps)[layers - 1]);
  auto next = more.begin() + static_cast<std::ptrdiff_t>(steps_with_layers(more)[layers - 1]);
  const auto is_common = [&] {
    return at != steps.end() && next != more.end() && !at->layer && !next->layer &&
           at->record == next->record;
  };
  for (++at, ++next; is_common(); ++at)
    ++next;
  return static_cast<std::size_t>(next - more.begin());
}

/// What the images show.
std::vector<MergeSide> sides_of(const std::vector<std::shared_ptr<ImageSource>>& sources,
                                const Context& context) {
  const std::vector<DiffId>& first = sources.front()->image().diff_ids();
  std::vector<MergeSide> sides;
  for (const auto& source : sources) {
    verify_layers(*source, 0, source->layers(), context);
    MergeSide side;
    side.shared = count_shared(first, source->image().diff_ids());
    for (std::size_t i = 0; i < source->layers(); ++i)
      side.layers.push_back(source->layer_tree(i));
    side.tree = make_union_view(side.layers);
    sides.push_back(std::move(side));
  }
  return sides;
}

/// Looks at what several trees have.
class ConflictSearch {
 public:
  using Report = std::function<void(const TreeConflict& conflict)>;

  /// `report` may be empty: nobody wants to know of conflicts.
  ConflictSearch(const std::vector<MergeSide>& sides,
                 Precedence precedence,
                 const Report& report,
                 const Context& context)
      : sides_(sides), precedence_(precedence), report_(report), context_(context) {}

  /// Reports conflicts and says which files are one.
  UnitedFiles search() {
    std::vector<MergeCandidate> roots;
    for (std::size_t side = 0; side < sides_.size(); ++side)
      roots.push_back({side, *sides_[side].tree->lookup(RelPath())});
    visit(RelPath(), std::move(roots));
    files_.settle();
    return std::move(files_);
  }

 private:
  void visit(const RelPath& path, std::vector<MergeCandidate> candidates);
  void compare(const RelPath& path, const std::vector<MergeCandidate>& candidates) const;
  void unite_files(const RelPath& path, const std::vector<MergeCandidate>& candidates);
  void go_down(const RelPath& path, const std::vector<MergeCandidate>& directories);
  std::vector<std::string> differences(const MergeCandidate& one,
                                       const MergeCandidate& other) const {
    return object_differences(sides_[one.side], one.entry, sides_[other.side], other.entry,
                              context_);
  }

  const std::vector<MergeSide>& sides_;
  Precedence precedence_;
  const Report& report_;
  const Context& context_;
  UnitedFiles files_;
};

void ConflictSearch::visit(const RelPath& path, std::vector<MergeCandidate> candidates) {
  if (candidates.size() < 2) return;
  if (report_) compare(path, candidates);
  unite_files(path, candidates);
  const auto directories = merged_below(std::move(candidates), precedence_);
  if (directories.size() > 1) go_down(path, directories);
}

void ConflictSearch::compare(const RelPath& path,
                             const std::vector<MergeCandidate>& candidates) const {
  TreeConflict conflict;
  for (auto other = std::next(candidates.begin()); other != candidates.end(); ++other) {
    for (std::string& word : differences(candidates.front(), *other)) {
      if (std::ranges::find(conflict.differences, word) == conflict.differences.end()) {
        conflict.differences.push_back(std::move(word));
      }
    }
  }
  if (conflict.differences.empty()) return;
  conflict.path = path;
  conflict.taken = chosen_of(candidates, precedence_).side;
  for (const MergeCandidate& candidate : candidates)
    conflict.versions.push_back({candidate.side, candidate.entry});
  report_(conflict);
}

void ConflictSearch::unite_files(const RelPath& path,
                                 const std::vector<MergeCandidate>& candidates) {
  std::vector<std::pair<const MergeCandidate*, FileIdentity>> files;
  for (const MergeCandidate& candidate : candidates) {
    if (candidate.entry.is_directory()) continue;
    const auto file = sides_[candidate.side].tree->identity(path);
    if (!file) continue;
    const auto is_equal = [&](const auto& other) {
      return !other.second.is_same_file(*file) && differences(*other.first, candidate).empty();
    };
    if (const auto other = std::ranges::find_if(files, is_equal); other != files.end()) {
      files_.unite(other->second, *file);
    }
    files.emplace_back(&candidate, *file);
  }
}

void ConflictSearch::go_down(const RelPath& path, const std::vector<MergeCandidate>& directories) {
  context_.check_interrupted();
  std::vector<std::string> names;
  for (const MergeCandidate& directory : directories) {
    const std::vector<std::string> more = sides_[directory.side].tree->list(path);
    std::vector<std::string> both;
    std::ranges::set_union(names, more, std::back_inserter(both));
    names = std::move(both);
  }
  for (const std::string& name : names) {
    const RelPath child = path / name;
    std::vector<MergeCandidate> candidates;
    for (const MergeCandidate& directory : directories) {
      auto entry = sides_[directory.side].tree->lookup(child);
      if (entry) candidates.push_back({directory.side, std::move(*entry)});
    }
    visit(child, std::move(candidates));
  }
}

/// Throws when there are conflicts and nobody said what becomes of them.
UnitedFiles settle_conflicts(const std::vector<MergeSide>& sides,
                             OnConflict on_conflict,
                             Precedence precedence,
                             const ConflictSearch::Report& report,
                             const Context& context) {
  std::size_t conflicts = 0;
  RelPath first;
  ConflictSearch::Report count = report;
  if (on_conflict == OnConflict::Fail) {
    count = [&](const TreeConflict& conflict) {
      if (conflicts++ == 0) first = conflict.path;
      if (report) report(conflict);
    };
  }
  UnitedFiles files = ConflictSearch(sides, precedence, count, context).search();
  if (conflicts == 0) return files;
  fail(Errc::Exists, "merging: the images differ at {} path{}, first at {}", conflicts,
       conflicts == 1 ? "" : "s", quoted(first.absolute()));
}

/// The record of the layer that merges the others into the first.
json merge_record(const std::vector<std::shared_ptr<ImageSource>>& sources, const Image& like) {
  json record = json::object();
  const json& config = like.config();
  if (const auto created = config.find("created"); created != config.end()) {
    record["created"] = *created;
  }
  std::string others;
  for (auto source = std::next(sources.begin()); source != sources.end(); ++source)
    others += " " + (*source)->image().id().str();
  record["comment"] = "merged with" + others;
  return record;
}

}  // namespace

SaveItem stack_images(const std::vector<std::shared_ptr<ImageSource>>& sources,
                      const Image& like,
                      const Context& context) {
  std::vector<ImageStep> steps;
  for (const auto& source : sources) {
    std::vector<ImageStep> more = steps_of(source);
    const std::size_t common = count_common_steps(steps, more);
    std::move(more.begin() + static_cast<std::ptrdiff_t>(common), more.end(),
              std::back_inserter(steps));
  }
  SaveItem item = make_image(like, std::move(steps));
  apply_layers(item, context);
  return item;
}

SaveItem merge_trees(const std::vector<std::shared_ptr<ImageSource>>& sources,
                     const Image& like,
                     OnConflict on_conflict,
                     const std::function<void(const TreeConflict& conflict)>& report,
                     const Context& context) {
  std::vector<MergeSide> sides = sides_of(sources, context);
  const Precedence precedence =
      on_conflict == OnConflict::Last ? Precedence::Last : Precedence::First;
  UnitedFiles files = settle_conflicts(sides, on_conflict, precedence, report, context);
  const auto before = sides.front().tree;
  const auto merged =
      std::make_shared<const MergedTree>(std::move(sides), precedence, std::move(files), context);
  const auto reader =
      make_difference_reader(before, merged, context,
                             [&merged](const RelPath& path) { return merged->is_of_first(path); });
  std::vector<ImageStep> steps = steps_of(sources.front());
  steps.push_back({merge_record(sources, like), make_layer(*reader, context)});
  return make_image(like, std::move(steps));
}

}  // namespace layerkit
