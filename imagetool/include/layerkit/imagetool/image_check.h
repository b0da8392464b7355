#pragma once

#include <optional>
#include <string>
#include <vector>

#include "layerkit/base/context.h"
#include "layerkit/layerstore/store_check.h"

namespace layerkit {

enum class CheckDepth {
  Quick,  ///< structure, records, links, references
  Deep,   ///< and every file and every digest
};

struct CheckReport {
  std::vector<Finding> findings;  ///< what is wrong now
  std::vector<Finding> mended;    ///< by repair only: what was wrong
  /// False while others add images: what nobody needs yet could not be told from what nobody needs.
  bool is_complete = true;
};

/// Looks at the whole store in `root`: its layers, images, names, containers and mounts. Changes
/// nothing and makes no reader wait; a new load waits for the quick part, which reads no layer's
/// files. Throws Error{NotFound} when there is no store.
CheckReport check_store(const std::string& root, CheckDepth depth, const Context& context);

struct RepairOptions {
  CheckDepth depth = CheckDepth::Quick;
  /// An archive or layout that has layers and configs that were lost: see open_archive.
  std::optional<std::string> archive;
};

/// Checks, mends what can be mended, and checks again. Nothing that may be whole is deleted: what
/// nobody understands goes to the directory `damaged` of the store, a damaged layer goes when a
/// whole one is durably in its place. Waits for loads to end, and loads wait for it; layers that a
/// running container or a mount uses are left as they are. What fails is told as a warning.
CheckReport repair_store(const std::string& root,
                         const RepairOptions& options,
                         const Context& context);

}  // namespace layerkit
