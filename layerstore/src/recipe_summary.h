#pragma once

#include <cstdint>
#include <optional>
#include <set>

#include "layerkit/base/digest.h"

namespace layerkit {

/// What a recipe says about its layer as a whole.
struct RecipeSummary {
  std::uint64_t tar_size;
  DiffId diff_id;
  std::uint64_t replaced;  ///< files in `replaced/`
};

/// Reads the whole recipe of the open layer directory. Throws what RecipeReader throws.
RecipeSummary summarize_recipe(int layer_fd);

/// The parent of a layer whose record is lost.
struct RecoveredParent {
  std::optional<ChainId> parent;  ///< nullopt: it is a base layer
};
/// Among `candidates`, the one on which a layer with the recipe's DiffID has the ChainID `chain`.
std::optional<RecoveredParent> recover_parent(int layer_fd,
                                              const ChainId& chain,
                                              const std::set<ChainId>& candidates);

}  // namespace layerkit
