#include "layerkit/imagetool/image_normalize.h"

#include <algorithm>
#include <utility>

#include "image_layers.h"
#include "layerkit/base/strict_json.h"
#include "layerkit/imagetool/image_rewrite.h"
#include "layerkit/layerstore/tree_reader.h"
#include "time_format.h"

namespace layerkit {
namespace {

using nlohmann::json;

/// A tree with other times and owners.
class NormalizedTree final : public LayerTree {
 public:
  NormalizedTree(std::shared_ptr<const LayerTree> inner, const Normalization& how)
      : inner_(std::move(inner)), how_(how) {}

  std::optional<Entry> lookup(const RelPath& path) const override {
    auto entry = inner_->lookup(path);
    if (!entry) return std::nullopt;
    if (how_.latest_time) {
      entry->mtime = std::min(entry->mtime, Timestamp{*how_.latest_time, 0});
    }
    if (how_.owner) {
      entry->uid = how_.owner->uid;
      entry->gid = how_.owner->gid;
    }
    return entry;
  }
  std::vector<std::string> list(const RelPath& path) const override { return inner_->list(path); }
  std::unique_ptr<ByteSource> open(const RelPath& path) const override {
    return inner_->open(path);
  }
  std::optional<FileIdentity> identity(const RelPath& path) const override {
    return inner_->identity(path);
  }

 private:
  std::shared_ptr<const LayerTree> inner_;
  Normalization how_;
};

/// What is below the base layer is nobody's.
std::shared_ptr<const LayerTree> normalized_view(ImageSource& source,
                                                 std::size_t count,
                                                 const Normalization& how) {
  if (count == 0) return make_union_view({});
  return std::make_shared<const NormalizedTree>(source.view(count), how);
}

LayerInput normalized_layer(ImageSource& source,
                            std::size_t index,
                            const Normalization& how,
                            const Context& context) {
  const auto layer = source.layer_tree(index);
  const auto is_untouched = [&layer](const RelPath& path) { return !layer->lookup(path); };
  const auto reader =
      make_difference_reader(normalized_view(source, index, how),
                             normalized_view(source, index + 1, how), context, is_untouched);
  return make_layer(*reader, context);
}

/// Lowers the member `created`, where it is a time.
void lower_time(json& object, const Normalization& how) {
  const auto created = object.find("created");
  if (!how.latest_time || created == object.end() || !created->is_string()) return;
  const Timestamp latest{*how.latest_time, 0};
  const auto time = parse_rfc3339(created->get_ref<const std::string&>());
  if (time && *time > latest) *created = format_rfc3339(latest);
}

}  // namespace

SaveItem normalize_image(const std::shared_ptr<ImageSource>& source,
                         const Normalization& how,
                         const Context& context) {
  verify_layers(*source, 0, source->layers(), context);
  std::vector<ImageStep> steps = steps_of(source);
  std::size_t index = 0;
  for (ImageStep& step : steps) {
    lower_time(step.record, how);
    if (step.layer) step.layer = normalized_layer(*source, index++, how, context);
  }
  json config = source->image().config();
  lower_time(config, how);
  return make_image(Image::parse(dump_json(config, "config")), std::move(steps));
}

}  // namespace layerkit
