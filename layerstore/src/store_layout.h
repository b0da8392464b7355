#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "layerkit/base/digest.h"
#include "layerkit/layerstore/store.h"

namespace layerkit {

// Names and records of the store's directories: docs/formats/store.md.

namespace store_file {
inline constexpr char kVersion[] = "version";
inline constexpr char kLock[] = "lock";
inline constexpr char kStaging[] = "staging";
inline constexpr char kOverlay[] = "overlay2";
inline constexpr char kDamaged[] = "damaged";
inline constexpr char kAufs[] = "aufs";
inline constexpr char kLinks[] = "l";  ///< in overlay2
// In aufs:
inline constexpr char kLayers[] = "layers";
inline constexpr char kMnt[] = "mnt";
inline constexpr char kRecords[] = "records";
inline constexpr char kMoving[] = "moving";
inline constexpr char kMovingLock[] = ".lock";  ///< in moving
// In overlay2/<id>; diff is also in aufs, and the records in aufs/records/<id>:
inline constexpr char kDiff[] = "diff";
inline constexpr char kLink[] = "link";
inline constexpr char kLower[] = "lower";
inline constexpr char kCommitted[] = "committed";
inline constexpr char kLayer[] = "layer";
inline constexpr char kRecipe[] = "recipe";
inline constexpr char kReplaced[] = "replaced";
inline constexpr char kIndex[] = "index";
inline constexpr char kContainer[] = "container";
inline constexpr char kWork[] = "work";
inline constexpr char kMerged[] = "merged";
}  // namespace store_file

/// The file `version`: this prefix, the number of the format, a newline.
inline constexpr std::string_view kVersionPrefix = "layerkit-store ";
inline constexpr std::string_view kVersionText = "layerkit-store 1\n";

/// A record may not be larger than this; ours are a few hundred bytes.
inline constexpr std::size_t kMaxRecordBytes = 4096;
/// `lower` takes 29 bytes a layer.
inline constexpr std::size_t kMaxLowerBytes = std::size_t{1} << 20;

/// Whether the layers under a layer are seen through it.
enum class Beneath { Seen, Hidden };

/// The file `layer`.
struct LayerRecord {
  LayerInfo info;
  std::uint64_t entries = 0;   ///< entries of the tar as the layer dialect reads them
  std::uint64_t replaced = 0;  ///< files in `replaced/`
  Beneath beneath = Beneath::Seen;
};

std::string format_layer_record(const LayerRecord& record);
/// Throws Error{Integrity} unless `text` is exactly what format_layer_record writes.
LayerRecord parse_layer_record(std::string_view text);

enum class ContainerRole { Container, Init };

/// The file `container`: `parent` is the image for both roles.
struct ContainerRecord {
  ContainerRole role = ContainerRole::Container;
  std::optional<ChainId> parent;
};

std::string format_container_record(const ContainerRecord& record);
ContainerRecord parse_container_record(std::string_view text);

/// The 26 characters that stand for a layer directory in `l/` and in `lower`: a function of its
/// name, so that every process gives a layer the same one.
std::string link_name(std::string_view directory);
/// Text of `lower` for a layer on these, nearest first.
std::string lower_text(const std::vector<std::string>& below);
/// The same for its file in `aufs/layers`.
std::string parents_text(const std::vector<std::string>& below);

/// Throws Error{Invalid} unless `id` may name a container.
void require_container_id(const std::string& id);
std::string init_name(const std::string& id);

}  // namespace layerkit
