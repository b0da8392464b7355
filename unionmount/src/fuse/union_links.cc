// The link counts of merged directories.

#include <dirent.h>

#include <exception>

#include "file_at.h"
#include "layerkit/base/error.h"
#include "union_fs.h"

namespace layerkit {
namespace {

/// The count's share of Node::counted_links; the rest tells the state it was counted in.
constexpr std::uint64_t kCount = 0xffffff;

std::uint64_t mixed(std::uint64_t state, std::uint64_t more) noexcept {
  return (state ^ more) * 0x9E3779B97F4A7C15U + (state >> 31);
}

}  // namespace

/// Another one when directories of the merged one may have come or gone since. Never 0.
std::uint64_t UnionFs::links_state(Node& directory) {
  std::uint64_t state = directory.directory_changes.load();
  for (LiveBranch* part : directory.parts) {
    state = mixed(state, static_cast<std::uint64_t>(part->id) + 1);
    if (settings_.udba == Udba::None) continue;
    const struct stat stat = stat_open(fds_.of(directory, *part)->get());
    state = mixed(state, stat.st_ino);
    state = mixed(state, stat.st_nlink);  // times are coarse
    state = mixed(state, static_cast<std::uint64_t>(stat.st_ctim.tv_sec) * 1'000'000'000U +
                             static_cast<std::uint64_t>(stat.st_ctim.tv_nsec));
  }
  return state | kCount;
}

/// Two, and one for each directory in it: its parts may have the same one, and hide others'.
/// One, on which nobody counts, where this process may not read them. REQUIRES: the tree lock.
nlink_t UnionFs::merged_links(Node& directory) try {
  const std::uint64_t state = links_state(directory);
  const std::uint64_t known = directory.counted_links.load();
  if ((known | kCount) == state) return static_cast<nlink_t>(known & kCount);
  const MergedList list = read_list(directory);
  std::uint64_t links = 0;  // "." and ".." are among them
  for (std::size_t i = 0; i < list.size(); ++i)
    links += list[i].type == DT_DIR ? 1U : 0U;
  links = links < kCount ? links : 1;  // nobody counts on it then
  directory.counted_links = (state & ~kCount) | links;
  return static_cast<nlink_t>(links);
} catch (const Error&) {
  return 1;
}

UnionFs::NameChange::NameChange(UnionFs& fs, Node& directory, bool of_directory)
    : fs_(fs),
      directory_(directory),
      of_directory_(of_directory),
      exceptions_(std::uncaught_exceptions()) {
  if (of_directory || directory.parts.size() < 2) return;
  const std::uint64_t known = directory.counted_links.load();
  if (known == 0) return;
  try {
    if ((known | kCount) == fs.links_state(directory)) links_ = known & kCount;
  } catch (...) {  // NOLINT(bugprone-empty-catch): it is counted again
  }
}

UnionFs::NameChange::~NameChange() {
  const bool failed = std::uncaught_exceptions() > exceptions_;
  changed(directory_, of_directory_ || failed);
  if (links_ == 0 || failed) return;
  try {
    directory_.counted_links = (fs_.links_state(directory_) & ~kCount) | links_;
  } catch (...) {  // NOLINT(bugprone-empty-catch): as above
  }
}

}  // namespace layerkit
