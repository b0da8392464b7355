#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "layerkit/layerstore/examination.h"
#include "store_layout.h"

namespace layerkit {

// The parts of StoreInspection::quick. Each reports to an Examination, which mends what it may.

/// What is in `overlay2`, as far as it can be read.
struct Survey {
  std::map<ChainId, LayerRecord> layers;              ///< their records are sound
  std::set<ChainId> unsound_layers;                   ///< directories of layers, records damaged
  std::map<std::string, ContainerRecord> containers;  ///< both roles
  std::set<std::string> unsound_containers;
  std::set<std::string> directories;  ///< that have, or should have, a link in `l`
};

/// The directories that everything else is in; absent where they cannot be used.
struct StoreFrame {
  StoreGround ground;
  std::optional<Fd> overlay;
  std::optional<Fd> links;
  std::optional<Fd> staging;
  /// A process works in staging, so that directories may be on their way out or links on their
  /// way in.
  bool work_in_progress = false;

  /// Removes `overlay2/<name>` and its link, out of sight first.
  void discard(const std::string& name) const;
};

/// `version`, `lock`, `staging`, `overlay2`, `overlay2/l`.
StoreFrame examine_frame(Examination& examination, int root);
/// Litter in staging.
void examine_staging(Examination& examination, const StoreFrame& frame);

/// Reads every record; reports those that cannot be read, and what is neither.
Survey survey_overlay(Examination& examination, const StoreFrame& frame);

void examine_layer(Examination& examination,
                   const StoreFrame& frame,
                   const Survey& survey,
                   const LayerRecord& record);
void examine_container(Examination& examination,
                       const StoreFrame& frame,
                       const Survey& survey,
                       const std::string& name,
                       const ContainerRecord& record);
/// `overlay2/l` against the directories.
void examine_links(Examination& examination, const StoreFrame& frame, const Survey& survey);
/// What should be there and is not; what is there and needed by nobody.
void examine_references(Examination& examination,
                        const StoreFrame& frame,
                        const Survey& survey,
                        const StoreReferences& references);

/// Whether the name is that of a ChainID.
bool is_chain_name(const std::string& name);
/// Text that the file `lower` of a layer should have; nullopt: no file. Throws Error{NotFound}
/// when a layer below is not in the survey.
std::optional<std::string> expected_lower(const Survey& survey, const LayerRecord& record);
/// The same for a directory right above `chain`; empty for none.
std::string expected_lower_above(const Survey& survey, const std::optional<ChainId>& chain);

/// The files `link` and `lower` of a directory.
void examine_small_file(Examination& examination,
                        const StoreFrame& frame,
                        const FrameDir& directory,
                        const std::string& name,
                        const std::optional<std::string>& expected,
                        const std::string& kind,
                        const std::optional<ChainId>& layer);

}  // namespace layerkit
