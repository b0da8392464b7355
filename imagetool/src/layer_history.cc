#include "layerkit/imagetool/layer_history.h"

#include <utility>

#include "layerkit/base/byte_stream.h"
#include "layerkit/base/error.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/tree_changes.h"
#include "layerkit/layerstore/tar.h"
#include "layerkit/layerstore/tree_reader.h"

namespace layerkit {
namespace {

/// Counts the bytes that go by.
class CountingSource final : public ByteSource {
 public:
  explicit CountingSource(ByteSource& inner) : inner_(inner) {}
  std::size_t read(std::span<std::byte> buffer) override {
    const std::size_t got = inner_.read(buffer);
    size_ += got;
    return got;
  }
  std::uint64_t size() const noexcept { return size_; }

 private:
  ByteSource& inner_;
  std::uint64_t size_ = 0;
};

/// What the tar says of itself.
void count_entries(ImageSource& source, LayerSummary& summary, const Context& context) {
  const auto tar = source.open_layer(summary.index);
  CountingSource counted(*tar);
  const auto reader = make_tar_reader(counted, TarDialect::Literal);
  while (const auto entry = reader->next()) {
    context.check_interrupted();
    ++summary.entries;
    if (entry->type == FileType::Regular && !entry->hard_link_target) {
      summary.size += entry->size;
    }
  }
  drain(counted);
  summary.tar_size = counted.size();
}

/// Names in and below a lower directory that its opaque cover does not have again.
std::uint64_t count_hidden(const LayerTree& lower, const LayerTree& shown, const RelPath& path) {
  std::uint64_t hidden = 0;
  for (const std::string& name : lower.list(path)) {
    const RelPath child = path / name;
    const auto now = shown.lookup(child);
    if (!now) {
      ++hidden;
    } else if (now->is_directory() && lower.lookup(child)->is_directory()) {
      hidden += count_hidden(lower, shown, child);
    }
  }
  return hidden;
}

/// What it does to the layers below it.
void count_changes(ImageSource& source, LayerSummary& summary, const Context& context) {
  const auto lower = source.view(summary.index);
  const auto shown = source.view(summary.index + 1);
  const auto reader = make_tree_reader(source.layer_tree(summary.index), lower, context);
  while (const auto entry = reader->next()) {
    if (entry->is_whiteout()) {
      ++summary.removed;
      continue;
    }
    if (entry->hides == Hides::Below) {
      summary.removed += count_hidden(*lower, *shown, entry->path);
      continue;
    }
    const auto before = lower ? lower->lookup(entry->path) : std::nullopt;
    if (!before) {
      ++summary.added;
    } else if (!entry->is_directory() || !before->is_directory() || *before != *entry) {
      ++summary.changed;
    }
  }
}

/// The object at or above `path` that makes a layer hide it; nullopt when there is none.
std::optional<Entry> hiding_object(const LayerTree& layer, const RelPath& path) {
  RelPath at;
  for (const std::string_view name : path.components()) {
    const auto entry = layer.lookup(at);
    if (!entry) return std::nullopt;
    if (!entry->is_directory() || entry->hides != Hides::Nothing) return entry;
    at = at / name;
  }
  return layer.lookup(at);
}

std::string how_it_hides(const Entry& entry) {
  if (entry.is_whiteout()) return "whiteout";
  if (entry.is_directory()) return "opaque directory";
  return "it was replaced";
}

PathVersion changed_version(std::size_t layer,
                            const LayerTree& lower,
                            const LayerTree& shown,
                            const Entry& before,
                            Entry after,
                            const Context& context) {
  PathVersion version;
  version.layer = layer;
  version.changes = entry_changes(before, after);
  const bool same_size = before.type == FileType::Regular && after.type == FileType::Regular &&
                         before.size == after.size;
  if (same_size && !have_same_contents(lower, before.path, shown, after.path, context)) {
    version.changes.emplace_back("contents");
  }
  version.event = version.changes.empty() ? PathEvent::Rewritten : PathEvent::Changed;
  version.entry = std::move(after);
  return version;
}

}  // namespace

std::string_view path_event_text(PathEvent event) noexcept {
  switch (event) {
    case PathEvent::Added:
      return "added";
    case PathEvent::Changed:
      return "changed";
    case PathEvent::Rewritten:
      return "rewritten";
    case PathEvent::Removed:
      return "removed";
  }
  return "unknown";
}

std::vector<HistoryStep> layer_steps(const Image& image) {
  std::vector<HistoryStep> steps(image.diff_ids().size());
  for (HistoryStep& step : image.history()) {
    if (step.layer && *step.layer < steps.size()) steps[*step.layer] = std::move(step);
  }
  return steps;
}

std::vector<LayerSummary> summarize_layers(ImageSource& source, const Context& context) {
  const std::vector<HistoryStep> steps = layer_steps(source.image());
  std::vector<LayerSummary> summaries;
  for (std::size_t i = 0; i < source.layers(); ++i) {
    LayerSummary summary{.index = i, .diff_id = source.image().diff_ids()[i]};
    summary.created = steps[i].created;
    summary.created_by = steps[i].created_by;
    with_context(
        [&] {
          return fmt::format("layer {}/{} ({})", i + 1, source.layers(), summary.diff_id.str());
        },
        [&] {
          count_entries(source, summary, context);
          count_changes(source, summary, context);
        });
    summaries.push_back(std::move(summary));
  }
  return summaries;
}

std::vector<std::string> entry_changes(const Entry& before, const Entry& after) {
  if (before.type != after.type || before.is_whiteout() != after.is_whiteout()) return {"type"};
  std::vector<std::string> changes;
  const auto note = [&changes](bool differs, const char* what) {
    if (differs) changes.emplace_back(what);
  };
  note(before.mode != after.mode, "mode");
  note(before.uid != after.uid || before.gid != after.gid, "owner");
  note(before.mtime != after.mtime, "mtime");
  note(before.size != after.size, "size");
  note(before.symlink_target != after.symlink_target, "target");
  note(before.device_major != after.device_major || before.device_minor != after.device_minor,
       "device");
  note(before.xattrs != after.xattrs, "xattrs");
  note(before.hides != after.hides, "opaque");
  return changes;
}

std::vector<PathVersion> path_versions(ImageSource& source,
                                       const RelPath& path,
                                       const Context& context) {
  std::vector<PathVersion> versions;
  std::optional<Entry> before;
  for (std::size_t i = 0; i < source.layers(); ++i) {
    const auto layer = source.layer_tree(i);
    const auto shown = source.view(i + 1);
    auto after = shown->lookup(path);
    const auto own = layer->lookup(path);
    if (after && !before) {
      versions.push_back({i, PathEvent::Added, after, {}, {}, {}});
    } else if (!after && before) {
      PathVersion version{i, PathEvent::Removed, std::nullopt, {}, path, "whiteout"};
      if (const auto hiding = hiding_object(*layer, path)) {
        version.hidden_by = hiding->path;
        version.how = how_it_hides(*hiding);
      }
      versions.push_back(std::move(version));
    } else if (after && own && !own->is_whiteout()) {
      PathVersion version = changed_version(i, *source.view(i), *shown, *before, *after, context);
      // A directory on the way to something else.
      const bool passed = version.event == PathEvent::Rewritten && after->is_directory();
      if (!passed) versions.push_back(std::move(version));
    }
    before = std::move(after);
  }
  return versions;
}

}  // namespace layerkit
