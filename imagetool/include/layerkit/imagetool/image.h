#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "layerkit/base/digest.h"

namespace layerkit {

/// OCI platform: "linux/amd64", "linux/arm/v7".
struct Platform {
  std::string os;
  std::string architecture;
  std::string variant;
  /// Throws Error{Invalid} for anything but os/arch[/variant].
  static Platform parse(std::string_view text);
  /// The platform of this machine.
  static Platform host();
  std::string str() const;
  bool operator==(const Platform&) const = default;
};

/// One step in the making of an image: a record of its history, a layer, or both.
struct HistoryStep {
  std::string created = {};
  std::string created_by = {};
  std::string comment = {};
  std::optional<std::size_t> layer = {};  ///< its place in Image::diff_ids

  bool operator==(const HistoryStep&) const = default;
};

/// An image: config bytes, exactly as they came, and what they say. Immutable; changes give a new
/// image. Copies are cheap. Thread-safe.
class Image {
 public:
  /// Parses an OCI or docker image config strictly (duplicate keys, depth, types) and throws
  /// Error{Invalid} that says where; `config` is kept byte for byte.
  static Image parse(std::string config);

  const ImageId& id() const noexcept;
  const std::string& config_bytes() const noexcept;
  const nlohmann::json& config() const noexcept;
  /// rootfs.diff_ids, base first.
  const std::vector<DiffId>& diff_ids() const noexcept;
  /// ChainIDs of the stack, base first; as many as diff_ids.
  std::vector<ChainId> chain_ids() const;
  /// Top of the stack; nullopt for an image without layers.
  std::optional<ChainId> top() const;
  Platform platform() const;
  /// The steps, base first: the records as they stand, then the layers that have none. A record
  /// stands for the next layer unless it says "empty_layer"; one beyond the layers has none.
  std::vector<HistoryStep> history() const;

  /// One more layer on top with its history record; `config` replaces the `config` object where
  /// given. Unknown fields are kept. `created` is RFC 3339. Layers of this image that have no
  /// record get an empty one, so that the new record stands for the new layer.
  struct Addition {
    DiffId layer;
    std::string created;
    std::string created_by;
    std::string author;
    std::string comment;
  };
  Image with_layer(const Addition& addition, const nlohmann::json* new_config) const;

  /// The records of the history as history() counts them, base first: as they stand, {} for those
  /// of layers that have none.
  std::vector<nlohmann::json> history_records() const;
  /// A record of the history and the layer that it stands for. In image_step.h.
  struct Step;
  /// The same image made of other steps. Their `empty_layer` is put right; when no record says
  /// anything the image has no history. All else is kept.
  Image with_steps(const std::vector<Step>& steps) const;

 private:
  struct State;
  explicit Image(std::shared_ptr<const State> state) : state_(std::move(state)) {}
  std::shared_ptr<const State> state_;
};

}  // namespace layerkit
