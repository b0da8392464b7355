#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "diff_draft.h"
#include "draft_dir.h"
#include "layerkit/base/rel_path.h"

namespace layerkit {

/// Finds the directory that a path of an entry means: symlinks are followed inside the root, in
/// the merged view of the draft and the layers below it as they are at this moment.
class DiffResolver {
 public:
  explicit DiffResolver(DiffDraft& draft) : draft_(draft) {}

  /// The directory at `path`, or null when there is none. Changes nothing.
  DraftDir* find(const RelPath& path);
  /// The directory at `path`, made part of the layer. What is missing is added, a lower file on
  /// the way is replaced. Throws Error{Invalid} for a file of the same layer on the way.
  DraftDir& claim(const RelPath& path);

  /// To be called when the object of that name changes: what was remembered may be wrong.
  void on_change(const DraftDir& dir, std::string_view name);
  /// To be called when directories of the draft went away or stopped showing the lower view.
  void forget() { last_ = {}; }

 private:
  enum class Missing { Stop, Add };
  enum class Step { Entered, Followed, Stopped };
  using Link = std::pair<const DraftDir*, std::string>;

  struct Walk {
    DraftDir* at;
    std::vector<std::string> left;  ///< components to go, the next one last
    std::vector<Link> followed;
    Missing missing;
  };

  /// Entries of one directory follow each other, children follow parents: the last answer is often
  /// the next one, or a part of it.
  struct Last {
    RelPath path;
    DraftDir* dir = nullptr;
    std::vector<Link> followed;
  };

  DraftDir* walk(const RelPath& path, Missing missing);
  Step step(Walk& walk, const std::string& name);
  Step step_over_file(Walk& walk, const std::string& name, FileType type);
  Step step_below(Walk& walk, const std::string& name);
  Step follow(Walk& walk, const std::string& name, std::string_view target);
  Step add(Walk& walk, const std::string& name);

  DiffDraft& draft_;
  Last last_;
};

}  // namespace layerkit
