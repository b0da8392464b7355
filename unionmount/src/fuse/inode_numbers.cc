#include "inode_numbers.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "file_at.h"
#include "kept_times.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"
#include "layerkit/base/text.h"

namespace layerkit {
namespace {

// Inode numbers of the file systems that branches live on stay below this.
constexpr unsigned kFileSystemShift = 56;
constexpr std::uint32_t kAwaitsName = 1U << 31;

/// A record of the table, little endian as the machine writes it: the table never leaves it.
struct Record {
  std::uint64_t ino;
  std::uint64_t number;         ///< 0: the file is gone
  std::uint32_t missing_links;  ///< and kAwaitsName
  std::uint32_t check;
};
static_assert(sizeof(Record) == 24);

std::uint32_t check_of(const Record& record) noexcept {
  std::uint64_t mix = record.ino * 0x9E3779B97F4A7C15U ^ record.number * 0xC2B2AE3D27D4EB4FU ^
                      record.missing_links * 0x165667B19E3779F9U;
  mix ^= mix >> 29;
  return static_cast<std::uint32_t>(mix ^ (mix >> 32)) | 1U;
}

Fd open_table_file(int dir, const std::string& name) {
  struct stat stat = {};
  if (stat_name(dir, name, stat) == 0 && !S_ISREG(stat.st_mode))
    fail(Errc::Invalid, "the table of inode numbers, {}, is not a regular file", quoted(name));
  return open_at(dir, name, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW, 0600);
}

}  // namespace

std::unordered_map<std::uint64_t, InodeNumbers::Kept> read_inode_table(int table, off_t& end) {
  std::unordered_map<std::uint64_t, InodeNumbers::Kept> files;
  std::array<Record, 1024> records = {};
  end = 0;
  for (bool is_whole = true; is_whole;) {
    const ssize_t got = ::pread(table, records.data(), sizeof records, end);
    if (got <= 0) break;
    const std::size_t count = static_cast<std::size_t>(got) / sizeof(Record);
    if (count == 0) break;
    for (std::size_t i = 0; i < count && is_whole; ++i) {
      const Record& record = records[i];
      is_whole = record.check == check_of(record);
      if (!is_whole) break;
      end += static_cast<off_t>(sizeof(Record));
      if (record.number == 0)
        files.erase(record.ino);
      else
        files[record.ino] = {record.number, record.missing_links & ~kAwaitsName,
                             (record.missing_links & kAwaitsName) != 0};
    }
  }
  return files;
}

InodeNumbers::~InodeNumbers() = default;

std::uint32_t InodeNumbers::file_system(dev_t device) {
  const std::lock_guard lock(mutex_);
  const auto found = std::find(file_systems_.begin(), file_systems_.end(), device);
  const auto index = found - file_systems_.begin();
  if (found == file_systems_.end()) file_systems_.push_back(device);
  return static_cast<std::uint32_t>(index);
}

void InodeNumbers::open_table(const LiveBranch& branch) {
  const KeptTimes times(branch.area->table_dir());
  Table table;
  table.log = open_table_file(branch.area->table_dir(), branch.area->table_name());
  off_t end = 0;
  table.files = read_inode_table(table.log.get(), end);
  // What a crash tore is cut off, so that the next record is found.
  if (::ftruncate(table.log.get(), end) != 0) {
    const int err = errno;
    fail_errno(err, "shortening the table of inode numbers");
  }
  const std::lock_guard lock(mutex_);
  tables_[branch.id] = std::move(table);
}

void InodeNumbers::close_table(const LiveBranch& branch) {
  const std::lock_guard lock(mutex_);
  tables_.erase(branch.id);
}

std::uint64_t InodeNumbers::number(const LiveBranch& branch, std::uint64_t ino) const {
  if (branch.writable()) {
    const std::optional<Kept> before = kept(branch, ino);
    if (before) return before->number;
  }
  return ino ^ (static_cast<std::uint64_t>(branch.file_system) << kFileSystemShift);
}

std::optional<InodeNumbers::Kept> InodeNumbers::kept(const LiveBranch& branch,
                                                     std::uint64_t ino) const {
  const std::lock_guard lock(mutex_);
  const auto table = tables_.find(branch.id);
  if (table == tables_.end()) return std::nullopt;
  const auto file = table->second.files.find(ino);
  if (file == table->second.files.end()) return std::nullopt;
  return file->second;
}

void InodeNumbers::append(Table& table, std::uint64_t ino, Kept kept) const {
  if (!table.log) return;
  Record record = {.ino = ino,
                   .number = kept.number,
                   .missing_links = kept.missing_links | (kept.awaits_name ? kAwaitsName : 0),
                   .check = 0};
  record.check = check_of(record);
  // A table that cannot grow costs a number after the next mount, no operation.
  [[maybe_unused]] const ssize_t written = ::write(table.log.get(), &record, sizeof record);
  table.is_synced = false;
}

void InodeNumbers::keep(const LiveBranch& branch, std::uint64_t ino, Kept kept) {
  const std::lock_guard lock(mutex_);
  Table& table = tables_[branch.id];
  table.files[ino] = kept;
  append(table, ino, kept);
}

void InodeNumbers::forget(const LiveBranch& branch, std::uint64_t ino) {
  const std::lock_guard lock(mutex_);
  const auto table = tables_.find(branch.id);
  if (table == tables_.end() || table->second.files.erase(ino) == 0) return;
  append(table->second, ino, {});
}

void InodeNumbers::sync(const LiveBranch& branch) {
  const std::lock_guard lock(mutex_);
  const auto table = tables_.find(branch.id);
  if (table == tables_.end() || !table->second.log || table->second.is_synced) return;
  if (::fdatasync(table->second.log.get()) != 0) {
    const int err = errno;
    fail_errno(err, "writing the table of inode numbers to the disk");
  }
  table->second.is_synced = true;
}

std::vector<std::uint64_t> InodeNumbers::awaiting(const LiveBranch& branch) const {
  const std::lock_guard lock(mutex_);
  std::vector<std::uint64_t> files;
  const auto table = tables_.find(branch.id);
  if (table == tables_.end()) return files;
  for (const auto& [ino, kept] : table->second.files)
    if (kept.awaits_name) files.push_back(ino);
  return files;
}

}  // namespace layerkit
