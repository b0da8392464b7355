#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "check_driver.h"
#include "layerkit/layerstore/examination.h"
#include "store_layout.h"

namespace layerkit {

// The parts of StoreInspection::quick. Each reports to an Examination, which mends what it may.

/// The layers and containers of a store, as far as their records can be read.
struct Survey {
  std::map<ChainId, LayerRecord> layers;              ///< their records are sound
  std::set<ChainId> unsound_layers;                   ///< directories of layers, records damaged
  std::map<std::string, ContainerRecord> containers;  ///< both roles
  std::set<std::string> unsound_containers;
  std::set<std::string> directories;  ///< of all these
};

/// The directories that everything else is in; absent where they cannot be used.
struct StoreFrame {
  StoreGround ground;
  StoreDriver driver = StoreDriver::Overlay2;
  std::unique_ptr<const DriverCheck> check;
  std::optional<Fd> staging;
  /// A process works in staging, so that directories may be on their way out or links on their
  /// way in.
  bool work_in_progress = false;

  /// Removes a layer or container with all its parts, out of sight first.
  void discard(const std::string& name) const;
};

/// `version`, `lock`, `staging`, and the directories of the driver.
StoreFrame examine_frame(Examination& examination, int root);
/// Litter in staging.
void examine_staging(Examination& examination, const StoreFrame& frame);

/// Reads every record; reports those that cannot be read, and what is neither.
Survey survey_layers(Examination& examination, const StoreFrame& frame);

void examine_layer(Examination& examination,
                   const StoreFrame& frame,
                   const Survey& survey,
                   const LayerRecord& record);
void examine_container(Examination& examination,
                       const StoreFrame& frame,
                       const Survey& survey,
                       const std::string& name,
                       const ContainerRecord& record);
/// What should be there and is not; what is there and needed by nobody.
void examine_references(Examination& examination,
                        const StoreFrame& frame,
                        const Survey& survey,
                        const StoreReferences& references);

/// Whether the name is that of a ChainID.
bool is_chain_name(const std::string& name);
ExpectedFrame expected_frame(const Survey& survey, const LayerRecord& record);
ExpectedFrame expected_frame(const Survey& survey,
                             const std::string& name,
                             const ContainerRecord& record);

/// A file that other tools read and that can be made again; unset `expected`: there is none.
void examine_small_file(Examination& examination,
                        const StoreGround& ground,
                        const FrameDir& directory,
                        const std::string& name,
                        const std::optional<std::string>& expected,
                        const std::string& kind,
                        const std::optional<ChainId>& layer);

}  // namespace layerkit
