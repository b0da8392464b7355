#include "layerkit/imagetool/image_split.h"

#include <algorithm>
#include <deque>
#include <iterator>
#include <map>
#include <optional>
#include <utility>

#include "image_layers.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/image_rewrite.h"
#include "layerkit/layerstore/tree_reader.h"

namespace layerkit {
namespace {

using nlohmann::json;
using Group = std::vector<RelPath>;
using Tree = std::shared_ptr<const LayerTree>;

/// What goes where: 0 stays, others count the groups from 1.
class Cut {
 public:
  Cut(Tree layer, Tree lower, const std::vector<Group>& groups)
      : layer_(std::move(layer)), lower_(std::move(lower)), groups_(groups) {}

  /// Finds files that have names in several parts.
  void find_links(const Context& context);
  std::unique_ptr<LayerReader> read(const Context& context) const {
    return make_tree_reader(layer_, lower_, context);
  }
  std::size_t part_of(const Entry& entry) const;

 private:
  using FileKey = std::pair<const LayerTree*, std::uint64_t>;

  std::size_t part_of(const RelPath& path) const;
  std::optional<FileIdentity> file_at(const Entry& entry) const;

  Tree layer_;
  Tree lower_;
  const std::vector<Group>& groups_;
  /// The highest part that files with several names have one in.
  std::map<FileKey, std::size_t> files_;
};

void Cut::find_links(const Context& context) {
  const auto reader = read(context);
  while (const auto entry = reader->next()) {
    const std::size_t part = part_of(entry->path);
    const auto file = part > 0 ? file_at(*entry) : std::nullopt;
    if (!file) continue;
    std::size_t& highest = files_[{file->layer, file->number}];
    highest = std::max(highest, part);
  }
}

std::size_t Cut::part_of(const Entry& entry) const {
  if (const auto file = file_at(entry)) {
    const auto found = files_.find({file->layer, file->number});
    return found == files_.end() ? 0 : found->second;
  }
  return part_of(entry.path);
}

std::size_t Cut::part_of(const RelPath& path) const {
  const auto has = [&](const Group& group) {
    return std::ranges::any_of(group, [&](const RelPath& top) { return top.contains(path); });
  };
  const auto group = std::ranges::find_if(groups_, has);
  return group == groups_.end() ? 0 : static_cast<std::size_t>(group - groups_.begin()) + 1;
}

std::optional<FileIdentity> Cut::file_at(const Entry& entry) const {
  if (entry.hides != Hides::Nothing || entry.is_directory()) return std::nullopt;
  return layer_->identity(entry.path);
}

/// One part of the layer; one that does not stay has the directories on the way to what is in it.
class PartReader final : public LayerReader {
 public:
  PartReader(const Cut& cut, std::size_t part, const Context& context)
      : cut_(cut), part_(part), inner_(cut.read(context)) {}

  std::optional<Entry> next() override;
  ByteSource& contents() override { return has_contents_ ? inner_->contents() : nothing_; }

 private:
  void find_next();
  void leave_to(const RelPath& path);

  const Cut& cut_;
  std::size_t part_;
  std::unique_ptr<LayerReader> inner_;
  std::optional<Entry> waiting_;  ///< until the directories on the way to it have been emitted
  std::deque<Entry> parents_;     ///< those that have not
  bool has_contents_ = false;
  MemorySource nothing_{""};
};

std::optional<Entry> PartReader::next() {
  has_contents_ = false;
  if (!waiting_) find_next();
  if (!waiting_) return std::nullopt;
  if (!parents_.empty()) {
    Entry parent = std::move(parents_.front());
    parents_.pop_front();
    return parent;
  }
  has_contents_ = true;
  return std::exchange(waiting_, std::nullopt);
}

void PartReader::find_next() {
  while (auto entry = inner_->next()) {
    leave_to(entry->path);
    if (cut_.part_of(*entry) == part_) {
      waiting_ = std::move(entry);
      return;
    }
    const bool is_parent = entry->is_directory() && entry->hides == Hides::Nothing;
    if (part_ > 0 && is_parent && !entry->path.is_root()) parents_.push_back(*std::move(entry));
  }
}

/// Forgets the directories that `path` is not in.
void PartReader::leave_to(const RelPath& path) {
  while (!parents_.empty() && !parents_.back().path.contains(path))
    parents_.pop_back();
}

void check_groups(const LayerTree& layer, const std::vector<Group>& groups) {
  for (std::size_t i = 0; i < groups.size(); ++i) {
    for (const RelPath& path : groups[i]) {
      if (path.is_root()) fail(Errc::Invalid, "splitting: the root cannot go into another layer");
      for (std::size_t other = 0; other < groups.size(); ++other) {
        if (other == i) continue;
        for (const RelPath& top : groups[other]) {
          if (!top.contains(path)) continue;
          fail(Errc::Invalid,
               "splitting: {} would go into one layer as part of {} and into another",
               quoted(path.absolute()), quoted(top.absolute()));
        }
      }
      if (layer.lookup(path)) continue;
      fail(Errc::NotFound, "splitting: the layer has nothing at {}", quoted(path.absolute()));
    }
  }
}

json part_record(const json& whole, const DiffId& layer, const Group& group) {
  json record = json::object();
  for (const char* key : {"created", "created_by", "author"}) {
    if (const auto found = whole.find(key); found != whole.end()) record[key] = *found;
  }
  std::string comment = "split from " + layer.str() + ":";
  for (const RelPath& path : group)
    comment += " " + escaped(path.absolute());
  record["comment"] = comment;
  return record;
}

}  // namespace

SaveItem split_layer(const std::shared_ptr<ImageSource>& source,
                     std::size_t index,
                     const std::vector<Group>& groups,
                     const Context& context) {
  if (index >= source->layers()) {
    fail(Errc::Invalid, "splitting layer {}: the image has {}", index + 1, source->layers());
  }
  const Tree layer = source->layer_tree(index);
  check_groups(*layer, groups);
  verify_layers(*source, 0, index + 1, context);
  Cut cut(layer, source->view(index), groups);
  cut.find_links(context);
  std::vector<ImageStep> steps = steps_of(source);
  const std::size_t place = steps_with_layers(steps)[index];
  std::vector<ImageStep> parts;
  for (std::size_t part = 0; part <= groups.size(); ++part) {
    PartReader reader(cut, part, context);
    ImageStep step{json::object(), make_layer(reader, context)};
    if (part == 0) {
      steps[place].layer = std::move(step.layer);
      continue;
    }
    step.record =
        part_record(steps[place].record, source->image().diff_ids()[index], groups[part - 1]);
    parts.push_back(std::move(step));
  }
  steps.insert(steps.begin() + static_cast<std::ptrdiff_t>(place) + 1,
               std::make_move_iterator(parts.begin()), std::make_move_iterator(parts.end()));
  return make_image(source->image(), std::move(steps));
}

}  // namespace layerkit
