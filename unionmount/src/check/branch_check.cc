#include "layerkit/unionmount/branch_check.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <functional>
#include <optional>
#include <unordered_map>

#include "check/branch_walk.h"
#include "fuse/inode_numbers.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"
#include "layerkit/base/whiteout.h"

namespace layerkit {
namespace {

constexpr std::string_view kOrphans = ".wh..wh.orph";
constexpr std::string_view kTable = ".wh..wh.xino";
/// Names that unions have in the root of a branch (aufs_type.h, and the table of this project's).
constexpr std::array<std::string_view, 5> kRootNames = {".wh..wh.aufs", kOrphans,
                                                        kAufsLinkDirectory, kTable, ".wh..wh.hino"};
constexpr std::string_view kRenamedPrefix = ".wh..wh..dr.";

bool is_root_name(std::string_view name) {
  return std::ranges::find(kRootNames, name) != kRootNames.end() ||
         name.starts_with(kRenamedPrefix);
}

/// ".wh..wh.NAME.XXXX": an object under way (aufs_type.h, AUFS_WH_TMP_LEN).
bool is_temporary(std::string_view name) {
  const std::size_t dot = name.rfind('.');
  return name.starts_with(kAufsMetadataPrefix) && dot > kAufsMetadataPrefix.size() &&
         name.size() - dot == 5 &&
         name.substr(dot + 1).find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

/// Plain and empty: nothing is lost with it.
bool is_empty_file(const FileStat& info) {
  return info.type == FileType::Regular && info.size == 0;
}

class BranchExamination final {
 public:
  BranchExamination(const Fd& root, BranchCheckMode mode, const Context& context)
      : root_(open_dir_at(root.get(), ".")), mode_(mode), context_(context) {}

  BranchCheckReport run() {
    lock();
    BranchWalk(root_, [this](int directory, const std::string& path,
                             const std::vector<std::string>& names) {
      return examine(directory, path, names);
    }).run();
    if (report_.is_complete) {
      examine_orphans();
      examine_links();
    }
    return std::move(report_);
  }

 private:
  using Mending = std::function<void()>;

  void found(BranchFinding finding, const Mending& mend = nullptr) {
    finding.can_mend = mend != nullptr;
    if (mode_ == BranchCheckMode::Repair && mend != nullptr) {
      mend();
      report_.mended.push_back(std::move(finding));
    } else {
      report_.findings.push_back(std::move(finding));
    }
  }

  /// A union that writes to the branch holds this lock.
  void lock() {
    auto orphans = open_private(kOrphans);
    if (!orphans) return;
    lock_ = FileLock::try_lock(std::move(*orphans), LockKind::Exclusive);
    if (lock_) return;
    if (mode_ == BranchCheckMode::Repair)
      fail(Errc::Busy, "a union that is mounted writes to the branch");
    report_.is_complete = false;
  }

  std::optional<Fd> open_private(std::string_view name) const {
    const auto info = stat_at(root_.get(), std::string(name));
    if (!info || info->type != FileType::Directory) return std::nullopt;
    return open_dir_at(root_.get(), std::string(name));
  }

  std::vector<std::string> examine(int directory,
                                   const std::string& path,
                                   const std::vector<std::string>& names) {
    context_.check_interrupted();
    std::vector<std::string> ordinary;
    for (const std::string& name : names) {
      if (name.starts_with(kWhiteoutPrefix)) {
        examine_whiteout(directory, path, name, names);
      } else {
        ordinary.push_back(name);
      }
    }
    return ordinary;
  }

  void examine_whiteout(int directory,
                        const std::string& path,
                        const std::string& name,
                        const std::vector<std::string>& names) {
    const auto info = stat_at(directory, name);
    if (!info) return;
    const std::string place = path + name;
    const auto remove = [directory, &name] { unlink_at(directory, name); };
    const std::string_view hidden = std::string_view(name).substr(kWhiteoutPrefix.size());
    if (hidden.empty() || hidden == "." || hidden == "..") {
      found({"bad-whiteout", place, "it hides nothing"}, is_empty_file(*info) ? remove : Mending());
    } else if (name.starts_with(kAufsMetadataPrefix) && name != kOpaqueName) {
      examine_private_name(directory, path, name, *info);
    } else if (info->type != FileType::Regular) {
      found({"bad-whiteout", place, "it is no regular file"});
    } else if (name != kOpaqueName && std::ranges::binary_search(names, hidden)) {
      found({"both", place, "the name that it hides is beside it"}, remove);
    }
  }

  void examine_private_name(int directory,
                            const std::string& path,
                            const std::string& name,
                            const FileStat& info) {
    const std::string place = path + name;
    if (path.empty() && is_root_name(name)) return;
    if (is_temporary(name)) {
      found({"leftover", place, "an operation on it was interrupted"},
            [directory, &name] { remove_tree_at(directory, name); });
      return;
    }
    const Mending remove = [directory, &name] { unlink_at(directory, name); };
    found({"stray", place, "no union has this name here"},
          is_empty_file(info) ? remove : Mending());
  }

  void examine_orphans() {
    const auto orphans = open_private(kOrphans);
    if (!orphans) return;
    for (const DirEntry& entry : list_dir(orphans->get())) {
      found({"leftover", fmt::format("{}/{}", kOrphans, entry.name),
             "an operation was interrupted while it was prepared or removed"},
            [&] { remove_tree_at(orphans->get(), entry.name); });
    }
  }

  using Kept = std::unordered_map<std::uint64_t, InodeNumbers::Kept>;

  /// nullopt where the branch has no table.
  std::optional<Kept> kept_files() const {
    const auto table =
        open_at_if_exists(root_.get(), std::string(kTable), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    off_t end = 0;
    if (!table) return std::nullopt;
    return read_inode_table(table->get(), end);
  }

  void examine_links() {
    const auto links = open_private(kAufsLinkDirectory);
    if (!links) return;
    const std::optional<Kept> kept = kept_files();
    for (const DirEntry& entry : list_dir(links->get()))
      examine_link(links->get(), entry.name, kept);
  }

  /// "NUMBER.INO" links to a file that has more names, here or on a branch below.
  void examine_link(int links, const std::string& name, const std::optional<Kept>& kept) {
    const auto info = stat_at(links, name);
    if (!info) return;
    const std::string place = fmt::format("{}/{}", kAufsLinkDirectory, name);
    const Mending remove = [links, &name] { remove_tree_at(links, name); };
    const auto parts = split(name, '.');
    if (parts.size() != 2 || !parse_decimal(parts[0]) || parse_decimal(parts[1]) != info->ino) {
      found({"lost-link", place, "it leads to another file than its name says"});
    } else if (info->nlink <= 1 && !kept) {
      found({"lost-link", place, "no name here leads to its file; one on a branch below may"});
    } else if (info->nlink <= 1 && !has_names_below(*kept, info->ino)) {
      found({"lost-link", place, "no name leads to its file any more"}, remove);
    }
  }

  static bool has_names_below(const Kept& kept, std::uint64_t ino) {
    const auto file = kept.find(ino);
    return file != kept.end() && file->second.missing_links > 0;
  }

  Fd root_;
  BranchCheckMode mode_;
  const Context& context_;
  std::optional<FileLock> lock_;
  BranchCheckReport report_;
};

}  // namespace

BranchCheckReport check_branch(const Fd& directory, BranchCheckMode mode, const Context& context) {
  return BranchExamination(directory, mode, context).run();
}

}  // namespace layerkit
