#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"
#include "layerkit/unionmount/open_branches.h"
#include "mount_api.h"

namespace layerkit {
namespace {

constexpr std::uint32_t kRomfsMagic = 0x7275;  // <linux/romfs_fs.h>
constexpr std::array<std::uint32_t, 6> kNeverWritten = {SQUASHFS_MAGIC, ISOFS_SUPER_MAGIC,
                                                        CRAMFS_MAGIC,   CRAMFS_MAGIC_WEND,
                                                        kRomfsMagic,    EROFS_SUPER_MAGIC_V1};

struct FileSystem {
  bool never_written = false;  ///< by its nature
  bool read_only = false;
};

FileSystem file_system_of(int fd) {
  struct statfs info = {};
  if (::fstatfs(fd, &info) < 0) fail_errno(errno, "reading the type of its file system");
  const auto magic = static_cast<std::uint32_t>(info.f_type);
  return {.never_written =
              std::find(kNeverWritten.begin(), kNeverWritten.end(), magic) != kNeverWritten.end(),
          .read_only = (static_cast<unsigned long>(info.f_flags) & ST_RDONLY) != 0};
}

/// As the kernel knows it now.
std::string canonical_path(int fd) {
  std::string path = read_link_at(AT_FDCWD, proc_fd_path(fd));
  // Some file systems count no links; some directories have such a name.
  if (path.ends_with(" (deleted)") && stat_fd(fd).nlink == 0)
    fail(Errc::NotFound, "the directory has been removed");
  if (!path.starts_with('/')) fail(Errc::Invalid, "the directory is not below the root directory");
  return path;
}

/// Identifies a directory while it is open, and the mount it was reached by.
struct Place {
  std::uint32_t dev_major = 0;
  std::uint32_t dev_minor = 0;
  std::uint64_t ino = 0;
  std::uint64_t mount = 0;

  auto identity() const noexcept { return std::tuple(dev_major, dev_minor, ino); }
  bool operator==(const Place&) const = default;
};

Place place_of(int fd) {
  struct statx info = {};
  if (::statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_MNT_ID, &info) < 0)
    fail_errno(errno, "reading the attributes of a directory");
  return {info.stx_dev_major, info.stx_dev_minor, info.stx_ino, info.stx_mnt_id};
}

using Roots = std::map<decltype(Place{}.identity()), std::size_t>;

/// Calls `use` with each directory above, up to the root of the mount, or to one that may not be
/// searched. False from `use` ends it.
template <typename Use>
void for_each_above(int directory, Use use) {
  constexpr int kMaxDepth = 1 << 20;  // somebody may move directories about meanwhile
  Place here = place_of(directory);
  Fd held;
  for (int depth = 0; depth < kMaxDepth; ++depth) {
    const int fd = ::openat(directory, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
    const int err = errno;
    if (fd < 0 && (err == EACCES || err == EPERM)) return;
    if (fd < 0) fail_errno(err, "opening the directory above");
    held = Fd(fd);
    directory = fd;
    const Place above = place_of(fd);
    // At the root of all, ".." stays.
    if (above.mount != here.mount || above == here || !use(above)) return;
    here = above;
  }
  fail(Errc::Limit, "there are more than {} directories above it", kMaxDepth);
}

std::string name_of(const std::vector<Branch>& branches, std::size_t index) {
  const std::string& path = branches[index].path;
  return path.empty() ? fmt::format("branch {}", index)
                      : fmt::format("branch {} ({})", index, quoted(path));
}

}  // namespace

Branch open_branch(const BranchText& text, BranchAccess default_access) {
  return with_context(
      [&] { return fmt::format("opening the branch {}", quoted(text.path)); },
      [&] {
        Branch branch;
        branch.directory = open_at(AT_FDCWD, text.path, O_PATH | O_DIRECTORY);
        branch.path = canonical_path(branch.directory.get());
        const FileSystem file_system = file_system_of(branch.directory.get());
        if (text.access_given) {
          branch.access = text.access;
        } else {
          branch.access = file_system.never_written ? BranchAccess::RealReadOnly : default_access;
        }
        branch.attributes = text.attributes;
        if (branch.writable() && file_system.read_only)
          fail(Errc::Invalid, "the branch is writable, but its file system is read-only");
        return branch;
      });
}

std::vector<Branch> open_branches(const std::vector<BranchText>& texts, bool read_only) {
  std::vector<Branch> branches;
  branches.reserve(texts.size());
  for (const BranchText& text : texts) {
    const bool writable = branches.empty() && !read_only;
    branches.push_back(
        open_branch(text, writable ? BranchAccess::ReadWrite : BranchAccess::ReadOnly));
  }
  return branches;
}

void check_branches(const std::vector<Branch>& branches) {
  if (branches.size() > kMaxBranches)
    fail(Errc::Limit, "the union has {} branches, the limit is {}", branches.size(), kMaxBranches);
  Roots roots;
  for (std::size_t i = 0; i < branches.size(); ++i) {
    const auto [known, is_new] = roots.emplace(place_of(branches[i].directory.get()).identity(), i);
    if (!is_new)
      fail(Errc::Invalid, "{} is the same directory as {}", name_of(branches, i),
           name_of(branches, known->second));
  }
  for (std::size_t i = 0; i < branches.size(); ++i) {
    for_each_above(branches[i].directory.get(), [&](const Place& above) {
      const auto outer = roots.find(above.identity());
      if (outer == roots.end()) return true;
      fail(Errc::Invalid, "{} lies in {}", name_of(branches, i), name_of(branches, outer->second));
    });
  }
}

}  // namespace layerkit
