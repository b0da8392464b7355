#include "layerkit/imagetool/image.h"

#include <nlohmann/json.hpp>

#include "layerkit/base/error.h"
#include "layerkit/base/strict_json.h"
#include "layerkit/imagetool/image_step.h"

namespace layerkit {
namespace {

using nlohmann::json;

/// As much as containers/image reads (docs/formats/store.md, "Limits").
constexpr std::size_t kMaxConfigBytes = std::size_t{4} << 20;

void check_string(const JsonView& object, std::string_view key) {
  if (const auto value = object.find(key)) value->string();
}

/// docker reads a string where a list of strings is meant (its own v1 images have such).
void check_string_or_strings(const JsonView& object, std::string_view key) {
  const auto value = object.find(key);
  if (value && !value->is_string()) value->strings();
}

void check_execution(const JsonView& config) {
  for (const std::string_view key : {"User", "WorkingDir", "StopSignal", "Hostname"}) {
    check_string(config, key);
  }
  check_string_or_strings(config, "Entrypoint");
  check_string_or_strings(config, "Cmd");
  if (const auto environment = config.find("Env")) environment->strings();
  for (const std::string_view key : {"Volumes", "ExposedPorts"}) {
    if (const auto value = config.find(key)) value->members();
  }
  if (const auto labels = config.find("Labels")) {
    for (const auto& [key, label] : labels->members()) {
      label.string();
    }
  }
}

void check_history(const JsonView& history) {
  for (const JsonView& record : history.items()) {
    for (const std::string_view key : {"created", "created_by", "author", "comment"}) {
      check_string(record, key);
    }
    if (const auto empty = record.find("empty_layer")) empty->boolean();
  }
}

std::vector<DiffId> read_diff_ids(const JsonView& config) {
  const JsonView rootfs = config.at("rootfs");
  const JsonView type = rootfs.at("type");
  if (type.string() != "layers") type.refuse("is not 'layers'");
  std::vector<DiffId> ids;
  const auto list = rootfs.find("diff_ids");
  if (!list) return ids;
  for (const JsonView& item : list->items()) {
    ids.push_back(with_context([&] { return "reading config: '" + item.path() + "'"; },
                               [&] { return DiffId::parse(item.string()); }));
  }
  return ids;
}

std::vector<DiffId> check_config(const json& config) {
  const JsonView view(config, "config");
  for (const std::string_view key : {"architecture", "os", "variant", "created", "author"}) {
    check_string(view, key);
  }
  if (const auto execution = view.find("config")) check_execution(*execution);
  if (const auto history = view.find("history")) check_history(*history);
  return read_diff_ids(view);
}

/// An array member to append to; created when absent or null.
json& array_member(json& object, const char* key) {
  json& member = object[key];
  if (member.is_null()) member = json::array();
  return member;
}

}  // namespace

struct Image::State {
  State(ImageId image_id, std::string config_bytes, json parsed, std::vector<DiffId> ids)
      : id(image_id),
        bytes(std::move(config_bytes)),
        config(std::move(parsed)),
        diff_ids(std::move(ids)) {}

  ImageId id;
  std::string bytes;
  json config;
  std::vector<DiffId> diff_ids;
};

Image Image::parse(std::string config) {
  json parsed = parse_json(config, "config", kMaxConfigBytes);
  std::vector<DiffId> ids = check_config(parsed);
  const ImageId id(Sha256::of(config));
  return Image(
      std::make_shared<const State>(id, std::move(config), std::move(parsed), std::move(ids)));
}

const ImageId& Image::id() const noexcept {
  return state_->id;
}
const std::string& Image::config_bytes() const noexcept {
  return state_->bytes;
}
const json& Image::config() const noexcept {
  return state_->config;
}
const std::vector<DiffId>& Image::diff_ids() const noexcept {
  return state_->diff_ids;
}

std::vector<ChainId> Image::chain_ids() const {
  std::vector<ChainId> chains;
  chains.reserve(diff_ids().size());
  std::optional<ChainId> parent;
  for (const DiffId& layer : diff_ids()) {
    parent = chain_id(parent, layer);
    chains.push_back(*parent);
  }
  return chains;
}

std::optional<ChainId> Image::top() const {
  const std::vector<ChainId> chains = chain_ids();
  if (chains.empty()) return std::nullopt;
  return chains.back();
}

Platform Image::platform() const {
  const JsonView view(config(), "config");
  return {view.string_or("os", "linux"), view.string_or("architecture", ""),
          view.string_or("variant", "")};
}

std::vector<HistoryStep> Image::history() const {
  std::vector<HistoryStep> steps;
  std::size_t layer = 0;
  if (const auto records = JsonView(config(), "config").find("history")) {
    for (const JsonView& record : records->items()) {
      HistoryStep step{record.string_or("created", ""), record.string_or("created_by", ""),
                       record.string_or("comment", "")};
      const auto empty = record.find("empty_layer");
      const bool has_layer = !empty || !empty->boolean();
      if (has_layer && layer < diff_ids().size()) step.layer = layer++;
      steps.push_back(std::move(step));
    }
  }
  for (; layer < diff_ids().size(); ++layer)
    steps.push_back({.layer = layer});
  return steps;
}

std::vector<json> Image::history_records() const {
  std::vector<json> records;
  const auto found = config().find("history");
  if (found != config().end() && found->is_array()) {
    records.assign(found->begin(), found->end());
  }
  records.resize(history().size(), json::object());
  return records;
}

Image Image::with_steps(const std::vector<Step>& steps) const {
  json changed = config();
  json layers = json::array();
  json records = json::array();
  bool says_something = false;
  for (const Step& step : steps) {
    json record = step.record;
    says_something = says_something || !record.empty();
    if (step.layer) {
      layers.push_back(step.layer->str());
      record.erase("empty_layer");
    } else {
      record["empty_layer"] = true;
    }
    records.push_back(std::move(record));
  }
  changed["rootfs"]["type"] = "layers";
  changed["rootfs"]["diff_ids"] = std::move(layers);
  if (says_something) {
    changed["history"] = std::move(records);
  } else {
    changed.erase("history");
  }
  return parse(dump_json(changed, "config"));
}

Image Image::with_layer(const Addition& addition, const json* new_config) const {
  json changed = config();
  // A layer of this image without a record would take the one of the new layer.
  json& records = array_member(changed, "history");
  const std::size_t steps = history().size();
  while (records.size() < steps)
    records.push_back(json::object());
  array_member(changed["rootfs"], "diff_ids").push_back(addition.layer.str());
  json record = {{"created", addition.created}, {"created_by", addition.created_by}};
  if (!addition.author.empty()) record["author"] = addition.author;
  if (!addition.comment.empty()) record["comment"] = addition.comment;
  records.push_back(std::move(record));
  changed["created"] = addition.created;
  if (!addition.author.empty()) changed["author"] = addition.author;
  if (new_config != nullptr) changed["config"] = *new_config;
  return parse(dump_json(changed, "config"));
}

}  // namespace layerkit
