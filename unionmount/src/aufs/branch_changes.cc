#include <algorithm>

#include "layerkit/base/error.h"
#include "layerkit/unionmount/mount_options.h"
#include "option_text.h"

namespace layerkit {
namespace {

class BranchList final {
 public:
  explicit BranchList(std::vector<BranchText>& branches) : branches_(branches) {}

  void operator()(const InsertBranch& change) const {
    const std::size_t count = branches_.size();
    const std::size_t index = change.index < 0 ? count : static_cast<std::size_t>(change.index);
    if (index > count)
      fail(Errc::Invalid, "inserting the branch {} at {}: there are {} branches",
           quoted_start(change.branch.path), index, count);
    branches_.insert(branches_.begin() + static_cast<std::ptrdiff_t>(index), change.branch);
  }
  void operator()(const DeleteBranch& change) const {
    branches_.erase(find(change.path, "deleting"));
  }
  void operator()(const ModifyBranch& change) const {
    *find(change.branch.path, "changing") = change.branch;
  }

 private:
  std::vector<BranchText>::iterator find(const std::string& path, std::string_view doing) const {
    const auto found = std::find_if(branches_.begin(), branches_.end(),
                                    [&](const BranchText& text) { return text.path == path; });
    if (found == branches_.end())
      fail(Errc::NotFound, "{} the branch {}: there is no such branch", doing, quoted_start(path));
    return found;
  }

  std::vector<BranchText>& branches_;
};

}  // namespace

void apply_changes(std::vector<BranchText>& branches, const std::vector<BranchChange>& changes) {
  for (const BranchChange& change : changes)
    std::visit(BranchList(branches), change);
}

}  // namespace layerkit
