#pragma once

#include <memory>
#include <string>
#include <vector>

#include "layerkit/base/context.h"
#include "layerkit/base/entry.h"
#include "layerkit/layerstore/layer_tree.h"
#include "layerkit/layerstore/name_sorter.h"
#include "lint/lint_report.h"
#include "resolved_paths.h"
#include "sort_record.h"

namespace layerkit::lint {

/// What can be said of a layer's entries together. Not thread-safe.
class LayerPaths {
 public:
  /// `lower`: what the layers below show, null for a base layer; `shown`: the layer on them.
  /// `directory` is where what does not fit into memory goes. All must outlive it.
  LayerPaths(int directory, const LayerTree* lower, const LayerTree& shown, Report& report)
      : lower_(lower), report_(report), parents_(shown), targets_(shown), records_(directory) {}

  /// An entry of the tar, read in TarDialect::Literal.
  void add(const Entry& entry);
  /// To be called once, after all entries.
  void finish(const Context& context);

 private:
  /// All that the layer says of a path.
  struct Place {
    RelPath path;
    std::uint64_t entries = 0;
    bool is_directory = false;
    bool is_whiteout = false;
    bool is_opaque = false;
    std::string linked_from;  ///< a hard link that names it
  };

  void put(const RelPath& path, std::uint8_t kind, std::string_view detail = {});
  void note_linked_parent(const RelPath& path);
  void take(RecordFields fields);
  void judge(const Place& place);
  void judge_whiteout(const Place& place);
  void judge_parents(const Place& place);
  void judge_parent(const RelPath& directory, const RelPath& child);

  const LayerTree* lower_;
  Report& report_;
  ResolvedPaths parents_;
  ResolvedPaths targets_;
  NameSorter records_;
  RelPath last_linked_parent_;
  Place place_;
  std::vector<RelPath> above_;  ///< the directories on the way, with or without entries
};

}  // namespace layerkit::lint
