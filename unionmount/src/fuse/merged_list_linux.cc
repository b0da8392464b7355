#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "file_at.h"
#include "layerkit/base/error.h"
#include "layerkit/base/whiteout.h"
#include "merged_list.h"
#include "whiteouts.h"

namespace layerkit {
namespace {

struct RawEntry {  // getdents64(2)
  std::uint64_t ino;
  std::int64_t off;
  std::uint16_t record_bytes;
  std::uint8_t type;
};
constexpr std::size_t kNameOffset = 19;

template <typename Use>
void for_each_raw_entry(int dir, Use&& use) {
  constexpr std::size_t kBufferBytes = std::size_t{64} << 10;
  thread_local std::vector<char> buffer(kBufferBytes);
  for (;;) {
    const long got = ::syscall(SYS_getdents64, dir, buffer.data(), buffer.size());
    if (got < 0) {
      const int err = errno;
      fail_errno(err, "reading a directory of a branch");
    }
    if (got == 0) return;
    for (long at = 0; at < got;) {
      RawEntry entry = {};
      std::memcpy(&entry, buffer.data() + at, kNameOffset);
      const char* name = buffer.data() + at + kNameOffset;
      at += entry.record_bytes;
      if (std::strcmp(name, ".") == 0 || std::strcmp(name, "..") == 0) continue;
      use(std::string_view(name), entry.ino, entry.type);
    }
  }
}

}  // namespace

void ListMerger::push(std::string_view name,
                      std::uint64_t ino,
                      std::uint8_t type,
                      LiveBranch* branch) {
  list_.items_.push_back({.ino = ino,
                          .name_at = static_cast<std::uint32_t>(list_.names_.size()),
                          .name_size = static_cast<std::uint16_t>(name.size()),
                          .type = type,
                          .is_merged = false,
                          .branch = branch});
  list_.names_ += name;
}

void ListMerger::add_self(std::uint64_t self, std::uint64_t parent) {
  push(".", self, DT_DIR, nullptr);
  push("..", parent, DT_DIR, nullptr);
  numbered_ = list_.items_.size();
}

bool ListMerger::is_whiteout(const LiveBranch& branch,
                             int dir,
                             std::string_view name,
                             std::uint8_t& type) {
  if (branch.reads_whiteout_names() && name.starts_with(kWhiteoutPrefix)) {
    if (!name.starts_with(kAufsMetadataPrefix))
      new_whiteouts_.emplace_back(name.substr(kWhiteoutPrefix.size()));
    return true;
  }
  if (options_.drops_whiteout_names && name.starts_with(kWhiteoutPrefix)) return true;
  if (type != DT_CHR && type != DT_UNKNOWN) return false;
  struct stat stat = {};
  if (stat_name(dir, std::string(name), stat) != 0) return type == DT_CHR;
  type = static_cast<std::uint8_t>(IFTODT(stat.st_mode));
  if (!is_whiteout_device(branch, stat)) return false;
  new_whiteouts_.emplace_back(name);
  return true;
}

void ListMerger::add_entry(
    LiveBranch& branch, int dir, std::string_view name, std::uint64_t ino, std::uint8_t type) {
  if (is_whiteout(branch, dir, name, type) && !options_.shows_whiteouts) return;
  if (!is_first_) {
    std::string key(name);
    if (hidden_.contains(key)) return;
    const auto [place, is_new] = seen_.try_emplace(std::move(key), list_.items_.size());
    if (!is_new) {
      MergedList::Item& above = list_.items_[place->second];
      above.is_merged = above.is_merged || (above.type == DT_DIR && type == DT_DIR);
      return;
    }
  }
  push(name, ino, type, &branch);
}

void ListMerger::add_raw(LiveBranch& branch, int dir, bool hides_below) {
  if (!is_first_ && seen_.empty()) {
    for (std::size_t i = 0; i < list_.items_.size(); ++i)
      seen_.emplace(list_.name(i), i);
  }
  for_each_raw_entry(dir, [&](std::string_view name, std::uint64_t ino, std::uint8_t type) {
    add_entry(branch, dir, name, ino, type);
  });
  if (hides_below) hidden_.insert(new_whiteouts_.begin(), new_whiteouts_.end());
  new_whiteouts_.clear();
  is_first_ = false;
}

MergedList ListMerger::finish() && {
  return std::move(list_);
}

}  // namespace layerkit
