#include "waste/efficiency_counter.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "layerkit/base/whiteout.h"
#include "sort_record.h"

namespace layerkit {
namespace {

/// Names that dive takes for markers and leaves out.
constexpr std::string_view kMarkerPrefix = ".wh..wh..";

using Layers = std::vector<std::uint32_t>;

/// The first of these layers above `layer`; nullopt when there is none.
std::optional<std::uint32_t> first_above(const Layers& layers, std::uint32_t layer) {
  const auto found = std::ranges::upper_bound(layers, layer);
  if (found == layers.end()) return std::nullopt;
  return *found;
}

}  // namespace

void EfficiencyCounter::add(std::size_t layer, const Entry& entry) {
  RelPath parent;
  const std::vector<std::string_view> names = entry.path.components();
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i].starts_with(kMarkerPrefix)) {
      if (i > 0) put(layer, parent, false, Kind::Implied, 0);
      return;
    }
    if (i + 1 < names.size()) parent = parent / names[i];
  }
  if (names.empty()) return;
  const std::string_view name = names.back();
  if (name.starts_with(kWhiteoutPrefix)) {
    return put(layer, parent / name.substr(kWhiteoutPrefix.size()), true, Kind::Other, 0);
  }
  put(layer, entry.path, false, entry.is_directory() ? Kind::Directory : Kind::Other,
      entry.hard_link_target ? 0 : entry.size);
}

void EfficiencyCounter::put(
    std::size_t layer, const RelPath& path, bool is_whiteout, Kind kind, std::uint64_t size) {
  SortRecord record;
  record.path(path).u32(layer).u8(is_whiteout ? 1 : 0);
  // What is only implied stands in front: any entry of that path says more.
  record.u32(kind == Kind::Implied ? 0 : ++entries_).u8(static_cast<std::uint8_t>(kind)).u64(size);
  records_.add(record.str());
}

/// Goes through the paths, parents first; what is known of a directory only when all below it was
/// seen is counted on the way back.
class EfficiencyCounter::Tally {
 public:
  explicit Tally(std::size_t layers) : layers_(layers) { levels_.emplace_back(); }

  void take(RecordFields fields);
  LayerEfficiency finish();

 private:
  struct Version {
    std::uint32_t layer;
    Kind kind;
    std::uint64_t size;
  };

  /// One path.
  struct Level {
    RelPath path;
    std::vector<Version> versions = {};  ///< by layer
    Layers whiteouts = {};               ///< the layers that have a whiteout of it
    // By layer; empty as long as there is nothing below.
    std::vector<std::uint64_t> growth = {};  ///< bytes below that come with a layer, less those
                                             ///< that go with it (modulo 2^64)
    std::vector<bool> holds = {};            ///< whether the layer has something below
  };

  void enter(const RelPath& path);
  void leave();
  void add_implied(Level& level) const;
  void count_sizes(Level& level);
  std::uint64_t whiteout_size(const Level& level, std::uint32_t layer) const;
  void count_path(const Level& level);
  void hand_up(const Level& level);

  std::size_t layers_;
  std::vector<Level> levels_;  ///< the root, and down to the present path
  std::uint64_t smallest_ = 0;
  std::uint64_t all_ = 0;
  std::uint64_t wasted_ = 0;
};

void EfficiencyCounter::Tally::take(RecordFields fields) {
  const RelPath path = fields.path();
  const std::uint32_t layer = fields.u32();
  const bool is_whiteout = fields.u8() != 0;
  fields.u32();
  const Version version{layer, static_cast<Kind>(fields.u8()), fields.u64()};
  if (levels_.back().path != path) enter(path);
  Level& level = levels_.back();
  if (is_whiteout) {
    if (level.whiteouts.empty() || level.whiteouts.back() != layer)
      level.whiteouts.push_back(layer);
    return;
  }
  // The last one of a layer counts.
  if (!level.versions.empty() && level.versions.back().layer == layer) level.versions.pop_back();
  level.versions.push_back(version);
}

void EfficiencyCounter::Tally::enter(const RelPath& path) {
  while (!levels_.back().path.contains(path))
    leave();
  const std::size_t known = levels_.back().path.components().size();
  const std::vector<std::string_view> names = path.components();
  for (std::size_t i = known; i < names.size(); ++i) {
    Level level;
    level.path = levels_.back().path / names[i];
    levels_.push_back(std::move(level));
  }
}

void EfficiencyCounter::Tally::leave() {
  Level level = std::move(levels_.back());
  levels_.pop_back();
  add_implied(level);
  count_sizes(level);
  count_path(level);
  hand_up(level);
}

/// Directories that have something below them and no entry.
void EfficiencyCounter::Tally::add_implied(Level& level) const {
  if (level.holds.empty()) return;
  std::vector<Version> all;
  auto own = level.versions.begin();
  for (std::uint32_t layer = 0; layer < layers_; ++layer) {
    if (own != level.versions.end() && own->layer == layer) {
      all.push_back(*own++);
    } else if (level.holds[layer]) {
      all.push_back({layer, Kind::Implied, 0});
    }
  }
  level.versions = std::move(all);
}

/// From which layer to which one its bytes are there.
void EfficiencyCounter::Tally::count_sizes(Level& level) {
  for (std::size_t i = 0; i < level.versions.size(); ++i) {
    const Version& version = level.versions[i];
    if (version.size == 0) continue;
    std::size_t end = i + 1 < level.versions.size() ? level.versions[i + 1].layer : layers_;
    const auto removed_by = [&](const Layers& whiteouts) {
      if (const auto cut = first_above(whiteouts, version.layer)) {
        end = std::min<std::size_t>(end, *cut);
      }
    };
    removed_by(level.whiteouts);
    for (const Level& above : levels_)
      removed_by(above.whiteouts);
    level.growth.resize(layers_);
    level.growth[version.layer] += version.size;
    if (end < layers_) level.growth[end] -= version.size;
  }
}

/// What the layer's whiteout removes, when that is a directory.
std::uint64_t EfficiencyCounter::Tally::whiteout_size(const Level& level,
                                                      std::uint32_t layer) const {
  const Version* below = nullptr;
  for (const Version& version : level.versions) {
    if (version.layer < layer) below = &version;
  }
  if (below == nullptr || below->kind != Kind::Directory) return 0;
  const auto is_gone = [&](const Layers& whiteouts) {
    const auto cut = first_above(whiteouts, below->layer);
    return cut && *cut < layer;
  };
  if (is_gone(level.whiteouts) ||
      std::ranges::any_of(levels_, [&](const Level& above) { return is_gone(above.whiteouts); })) {
    return 0;
  }
  std::uint64_t size = 0;
  for (std::size_t i = 0; i < std::min<std::size_t>(layer, level.growth.size()); ++i)
    size += level.growth[i];
  return size;
}

void EfficiencyCounter::Tally::count_path(const Level& level) {
  std::size_t count = 0;
  std::uint64_t sum = 0;
  std::uint64_t smallest = 0;
  const auto add = [&](std::uint64_t size) {
    smallest = count == 0 ? size : std::min(smallest, size);
    sum += size;
    ++count;
  };
  for (const Version& version : level.versions) {
    if (level.holds.empty() || !level.holds[version.layer]) add(version.size);
  }
  for (const std::uint32_t layer : level.whiteouts)
    add(whiteout_size(level, layer));
  smallest_ += smallest;
  all_ += sum;
  if (count > 1) wasted_ += sum;
}

void EfficiencyCounter::Tally::hand_up(const Level& level) {
  if (levels_.empty()) return;
  Level& parent = levels_.back();
  parent.holds.resize(layers_);
  for (const Version& version : level.versions)
    parent.holds[version.layer] = true;
  for (const std::uint32_t layer : level.whiteouts)
    parent.holds[layer] = true;
  if (level.growth.empty()) return;
  parent.growth.resize(layers_);
  for (std::size_t i = 0; i < layers_; ++i)
    parent.growth[i] += level.growth[i];
}

LayerEfficiency EfficiencyCounter::Tally::finish() {
  while (levels_.size() > 1)
    leave();
  LayerEfficiency result;
  result.wasted_bytes = wasted_;
  if (all_ > 0) result.score = static_cast<double>(smallest_) / static_cast<double>(all_);
  return result;
}

LayerEfficiency EfficiencyCounter::finish(const Context& context) {
  Tally tally(layers_);
  while (const auto record = records_.next()) {
    context.check_interrupted();
    tally.take(RecordFields(*record));
  }
  return tally.finish();
}

}  // namespace layerkit
