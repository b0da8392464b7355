#include "recipe_summary.h"

#include "layerkit/base/error.h"
#include "recipe_reader.h"

namespace layerkit {

RecipeSummary summarize_recipe(int layer_fd) {
  RecipeReader recipe(layer_fd);
  std::uint64_t replaced = 0;
  while (const auto record = recipe.next()) {
    if (std::holds_alternative<recipe::Replaced>(*record)) ++replaced;
    if (const auto* end = std::get_if<recipe::End>(&*record)) {
      return {end->tar_size, end->diff_id, replaced};
    }
  }
  fail(Errc::Integrity, "reading the recipe: it has no end");
}

std::optional<RecoveredParent> recover_parent(int layer_fd,
                                              const ChainId& chain,
                                              const std::set<ChainId>& candidates) {
  const DiffId diff_id = summarize_recipe(layer_fd).diff_id;
  if (chain_id(std::nullopt, diff_id) == chain) return RecoveredParent{};
  for (const ChainId& candidate : candidates) {
    if (chain_id(candidate, diff_id) == chain) return RecoveredParent{candidate};
  }
  return std::nullopt;
}

}  // namespace layerkit
