#include "layerkit/imagetool/image_rewrite.h"

#include <algorithm>
#include <map>
#include <utility>

#include "image_layers.h"
#include "layerkit/base/error.h"
#include "layerkit/base/hashing_stream.h"
#include "layerkit/base/interruptible_source.h"
#include "layerkit/base/strict_json.h"
#include "layerkit/base/text.h"
#include "layerkit/imagetool/image_changes.h"
#include "layerkit/imagetool/image_step.h"
#include "layerkit/imagetool/tree_changes.h"
#include "layerkit/layerstore/compression.h"
#include "layerkit/layerstore/diff_dir.h"
#include "layerkit/layerstore/tar.h"
#include "layerkit/layerstore/tree_reader.h"
#include "owned_file_source.h"
#include "temporary_directory.h"

namespace layerkit {
namespace {

using nlohmann::json;

std::vector<std::shared_ptr<const LayerTree>> trees_of(ImageSource& source,
                                                       std::size_t begin,
                                                       std::size_t end) {
  std::vector<std::shared_ptr<const LayerTree>> trees;
  for (std::size_t i = begin; i < end; ++i)
    trees.push_back(source.layer_tree(i));
  return trees;
}

LayerInput input_of(const std::shared_ptr<ImageSource>& source, std::size_t index) {
  return {source->image().diff_ids()[index], std::nullopt,
          [source, index] { return source->open_layer(index); }, source->packed_layer(index)};
}

/// The layer that was written to `file` through `hashed`.
LayerInput spooled_layer(std::shared_ptr<const Fd> file, HashingSink& hashed) {
  const std::uint64_t size = hashed.size();
  return {DiffId(hashed.finish()), size, [file = std::move(file), size] {
            return std::make_unique<OwnedFileSource>(file, 0, size, "a temporary file");
          }};
}

/// Files for one platform are of no use on a base for another. One that says nothing may be for
/// any; variants build on each other.
void check_same_platform(const Image& image, const Image& base, const char* what) {
  const Platform own = image.platform();
  const Platform other = base.platform();
  const auto differ = [](const std::string& one, const std::string& two) {
    return !one.empty() && !two.empty() && one != two;
  };
  if (!differ(own.os, other.os) && !differ(own.architecture, other.architecture)) return;
  fail(Errc::Invalid, "rebasing: the image is for {}, its {} base for {}", escaped(own.str()), what,
       escaped(other.str()));
}

/// Throws when a layer has a removed path again: its tar goes through a symlink that stood there,
/// and that it did not have itself. What it holds there may be hidden by layers above.
void check_nothing_left(const std::vector<std::shared_ptr<const LayerTree>>& layers,
                        const std::vector<RelPath>& removed) {
  for (std::size_t i = 0; i < layers.size(); ++i) {
    for (const RelPath& path : removed) {
      if (!layers[i]->lookup(path)) continue;
      fail(Errc::Invalid, "removing {}: layer {} would have it again, which reaches through it",
           quoted(path.absolute()), i + 1);
    }
  }
}

/// Throws when layers above reach another place than before, because what they went through, a
/// symlink, is gone.
void check_nothing_else_changed(const LayerTree& before,
                                const LayerTree& after,
                                const std::vector<RelPath>& removed,
                                const Context& context) {
  const auto report = [&](const TreeChange& change) {
    const auto is_inside = [&](const RelPath& top) { return top.contains(change.path); };
    const bool is_wanted =
        change.kind == ChangeKind::Deleted && std::ranges::any_of(removed, is_inside);
    if (is_wanted) return;
    fail(Errc::Invalid,
         "removing {}: {} would change, which layers above reach through it or beside it",
         quoted(removed.front().absolute()), quoted(change.path.absolute()));
  };
  compare_trees(before, after, report, context, FileContents::Ignore);
}

/// All entries but that of the root.
class WithoutRoot final : public LayerReader {
 public:
  explicit WithoutRoot(std::unique_ptr<LayerReader> inner) : inner_(std::move(inner)) {}

  std::optional<Entry> next() override {
    auto entry = inner_->next();
    while (entry && entry->path.is_root() && entry->hides == Hides::Nothing)
      entry = inner_->next();
    return entry;
  }
  ByteSource& contents() override { return inner_->contents(); }

 private:
  std::unique_ptr<LayerReader> inner_;
};

/// A layer's tree without some paths.
class WithoutPaths final : public LayerReader {
 public:
  WithoutPaths(std::unique_ptr<LayerReader> inner,
               std::shared_ptr<const LayerTree> tree,
               const std::vector<RelPath>& paths)
      : inner_(std::move(inner)), tree_(std::move(tree)), paths_(paths) {}

  std::optional<Entry> next() override;
  ByteSource& contents() override { return moved_ ? *moved_ : inner_->contents(); }

 private:
  bool is_removed(const RelPath& path) const {
    return std::ranges::any_of(paths_, [&](const RelPath& top) { return top.contains(path); });
  }

  std::unique_ptr<LayerReader> inner_;
  std::shared_ptr<const LayerTree> tree_;
  const std::vector<RelPath>& paths_;
  /// The first name left of a file whose first name is removed.
  std::map<RelPath, RelPath> first_names_;
  std::unique_ptr<ByteSource> moved_;
};

std::optional<Entry> WithoutPaths::next() {
  moved_.reset();
  while (auto entry = inner_->next()) {
    if (is_removed(entry->path)) continue;
    if (!entry->hard_link_target || !is_removed(*entry->hard_link_target)) return entry;
    const auto [first, is_first] = first_names_.try_emplace(*entry->hard_link_target, entry->path);
    if (is_first) {
      entry->hard_link_target.reset();
      if (entry->type == FileType::Regular) moved_ = tree_->open(entry->path);
    } else {
      entry->hard_link_target = first->second;
    }
    return entry;
  }
  return std::nullopt;
}

}  // namespace

SaveItem whole_image(const std::shared_ptr<ImageSource>& source) {
  SaveItem item{source->image(), source->names()};
  for (std::size_t i = 0; i < source->layers(); ++i)
    item.layers.push_back(input_of(source, i));
  item.manifest = source->manifest();
  return item;
}

std::unique_ptr<LayerReader> read_root_filesystem(const std::shared_ptr<ImageSource>& source,
                                                  const Context& context) {
  verify_layers(*source, 0, source->layers(), context);
  return make_tree_reader(source->tree(), nullptr, context);
}

std::vector<ImageStep> steps_of(const std::shared_ptr<ImageSource>& source) {
  const std::vector<HistoryStep> history = source->image().history();
  std::vector<json> records = source->image().history_records();
  std::vector<ImageStep> steps;
  for (std::size_t i = 0; i < history.size(); ++i) {
    ImageStep step{std::move(records[i]), std::nullopt};
    if (const auto layer = history[i].layer) {
      step.layer = input_of(source, *layer);
    }
    steps.push_back(std::move(step));
  }
  return steps;
}

SaveItem make_image(const Image& like, std::vector<ImageStep> steps) {
  std::vector<Image::Step> image_steps;
  SaveItem item{like, {}, {}};
  for (ImageStep& step : steps) {
    image_steps.push_back({std::move(step.record), std::nullopt});
    if (!step.layer) continue;
    image_steps.back().layer = step.layer->diff_id;
    item.layers.push_back(std::move(*step.layer));
  }
  item.image = like.with_steps(image_steps);
  return item;
}

LayerInput make_layer(LayerReader& entries, const Context& context) {
  auto file = std::make_shared<const Fd>(open_temporary_file());
  FdSink sink(file->get(), "a temporary file");
  HashingSink hashed(sink);
  const auto writer = make_tar_writer(hashed);
  copy_layer(entries, *writer, context);
  return spooled_layer(std::move(file), hashed);
}

LayerInput read_layer(ByteSource& tar, const std::string& name, const Context& context) {
  const auto plain = make_decompressing_source(tar, name);
  auto file = std::make_shared<const Fd>(open_temporary_file());
  FdSink sink(file->get(), "a temporary file");
  HashingSink hashed(sink);
  InterruptibleSource bytes(*plain, context);
  copy_bytes(bytes, hashed);
  return spooled_layer(std::move(file), hashed);
}

LayerInput read_layer_directory(Fd directory,
                                const std::shared_ptr<const LayerTree>& lower,
                                const Context& context) {
  WithoutRoot reader(make_diff_reader(std::move(directory), lower, context, DiffFormat::aufs()));
  return make_layer(reader, context);
}

SaveItem append_layer(const std::shared_ptr<ImageSource>& source,
                      LayerInput layer,
                      json record,
                      const Context& context) {
  std::vector<ImageStep> steps = steps_of(source);
  steps.push_back({std::move(record), std::move(layer)});
  SaveItem item = make_image(source->image(), std::move(steps));
  apply_layers(item, context);
  return item;
}

SaveItem import_image(LayerInput layer, const ImportRequest& request, const Context& context) {
  json config = {{"architecture", request.platform.architecture},
                 {"os", request.platform.os},
                 {"created", request.created},
                 {"config", apply_image_changes(json::object(), request.changes)},
                 {"rootfs", {{"type", "layers"}, {"diff_ids", json::array()}}}};
  if (!request.platform.variant.empty()) config["variant"] = request.platform.variant;
  std::vector<ImageStep> steps;
  steps.push_back({{{"created", request.created}, {"comment", request.comment}}, std::move(layer)});
  SaveItem item = make_image(Image::parse(dump_json(config, "config")), std::move(steps));
  apply_layers(item, context);
  return item;
}

SaveItem squash_layers(const std::shared_ptr<ImageSource>& source,
                       std::size_t begin,
                       std::size_t end,
                       const Context& context) {
  if (begin >= end || end > source->layers()) {
    fail(Errc::Invalid, "squashing layers {} to {} of {}: there are no such layers", begin + 1, end,
         source->layers());
  }
  std::vector<ImageStep> steps = steps_of(source);
  if (end - begin == 1) return make_image(source->image(), std::move(steps));
  verify_layers(*source, 0, end, context);
  const auto reader = make_tree_reader(make_stacked_layer(trees_of(*source, begin, end)),
                                       source->view(begin), context);
  const std::vector<std::size_t> places = steps_with_layers(steps);
  for (std::size_t i = begin; i < end; ++i)
    steps[places[i]].layer.reset();
  steps[places[end - 1]].layer = make_layer(*reader, context);
  return make_image(source->image(), std::move(steps));
}

SaveItem flatten_image(const std::shared_ptr<ImageSource>& source, const Context& context) {
  const auto reader = read_root_filesystem(source, context);
  ImageStep step{json::object(), make_layer(*reader, context)};
  const json& config = source->image().config();
  if (const auto created = config.find("created"); created != config.end()) {
    step.record["created"] = *created;
  }
  step.record["comment"] = "flattened from " + source->image().id().str();
  std::vector<ImageStep> steps;
  steps.push_back(std::move(step));
  return make_image(source->image(), std::move(steps));
}

SaveItem drop_layer(const std::shared_ptr<ImageSource>& source,
                    std::size_t index,
                    const Context& context) {
  if (index >= source->layers()) {
    fail(Errc::Invalid, "dropping layer {}: the image has {}", index + 1, source->layers());
  }
  std::vector<ImageStep> steps = steps_of(source);
  steps.erase(steps.begin() + static_cast<std::ptrdiff_t>(steps_with_layers(steps)[index]));
  SaveItem item = make_image(source->image(), std::move(steps));
  apply_layers(item, context);
  return item;
}

SaveItem rebase_image(const std::shared_ptr<ImageSource>& source,
                      const std::shared_ptr<ImageSource>& old_base,
                      const std::shared_ptr<ImageSource>& new_base,
                      const Context& context) {
  const std::vector<DiffId>& own = source->image().diff_ids();
  const std::vector<DiffId>& old = old_base->image().diff_ids();
  if (old.size() > own.size() || !std::equal(old.begin(), old.end(), own.begin())) {
    fail(Errc::Invalid, "rebasing: the image does not begin with the {} layers of its old base",
         old.size());
  }
  check_same_platform(source->image(), old_base->image(), "old");
  check_same_platform(source->image(), new_base->image(), "new");
  std::vector<ImageStep> steps = steps_of(new_base);
  std::vector<ImageStep> rest = steps_of(source);
  const std::vector<std::size_t> places = steps_with_layers(rest);
  // Records without a layer that follow the base's last layer are the base's, if it has them.
  const std::size_t base_steps = old_base->image().history().size();
  const std::size_t first_own = old.size() < places.size() ? places[old.size()] : rest.size();
  // The base may tell less of itself than the image does of it.
  const std::size_t after_base = old.empty() ? 0 : places[old.size() - 1] + 1;
  for (std::size_t i = std::clamp(base_steps, after_base, first_own); i < rest.size(); ++i)
    steps.push_back(std::move(rest[i]));
  SaveItem item = make_image(source->image(), std::move(steps));
  apply_layers(item, context);
  return item;
}

SaveItem remove_paths(const std::shared_ptr<ImageSource>& source,
                      const std::vector<RelPath>& paths,
                      const Context& context) {
  std::vector<bool> is_found(paths.size());
  std::vector<ImageStep> steps = steps_of(source);
  const std::vector<std::size_t> places = steps_with_layers(steps);
  for (std::size_t i = 0; i < places.size(); ++i) {
    const auto tree = source->layer_tree(i);
    bool has_any = false;
    for (std::size_t path = 0; path < paths.size(); ++path) {
      if (!tree->lookup(paths[path])) continue;
      has_any = true;
      is_found[path] = true;
    }
    if (!has_any) continue;
    WithoutPaths reader(make_tree_reader(tree, source->view(i), context), tree, paths);
    steps[places[i]].layer = make_layer(reader, context);
  }
  for (std::size_t path = 0; path < paths.size(); ++path) {
    if (is_found[path]) continue;
    fail(Errc::NotFound, "removing {}: no layer of the image has it",
         quoted(paths[path].absolute()));
  }
  verify_layers(*source, 0, source->layers(), context);
  SaveItem item = make_image(source->image(), std::move(steps));
  const auto layers = apply_layers(item, context);
  check_nothing_left(layers, paths);
  check_nothing_else_changed(*source->tree(), *make_union_view(layers), paths, context);
  return item;
}

}  // namespace layerkit
