#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <new>
#include <string_view>
#include <utility>

#include "draft_arena.h"
#include "layerkit/base/error.h"
#include "layerkit/base/file.h"

namespace layerkit {
namespace {

constexpr std::size_t kMemoryPiece = std::size_t{256} << 10;
/// The file grows by so much, and is mapped in windows of so much address space.
constexpr std::size_t kFilePiece = std::size_t{4} << 20;
constexpr std::size_t kWindow = std::size_t{256} << 20;
/// What a page fault maps at most, as Linux does it: neighbours that are in memory come along.
constexpr std::uint64_t kMaxFault = std::uint64_t{64} << 10;
/// After so many looks the process's memory is looked at whatever the faults say.
constexpr unsigned kLooksPerMeasurement = 64;

/// Page faults of this process that needed no disk.
std::uint64_t minor_faults() noexcept {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::uint64_t>(usage.ru_minflt);
}

/// Bytes of this process's memory that are mapped from files: the second number that is resident
/// in /proc/self/statm (proc(5)), approximately. 0 when it cannot be read.
std::uint64_t resident_file_bytes(int statm) {
  std::array<char, 128> text{};
  const ssize_t got = ::pread(statm, text.data(), text.size(), 0);
  std::string_view rest(text.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
  for (int skipped = 0; skipped < 2; ++skipped)
    rest.remove_prefix(std::min(rest.find(' ') + 1, rest.size()));
  std::uint64_t pages = 0;
  std::from_chars(rest.data(), rest.data() + rest.size(), pages);
  return pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

std::size_t round_up(std::size_t bytes, std::size_t to) noexcept {
  return (bytes + to - 1) / to * to;
}

}  // namespace

DraftArena::DraftArena(int directory, std::size_t max_memory)
    : directory_(directory), memory_left_(max_memory) {}

DraftArena::~DraftArena() {
  for (void* window : windows_)
    ::munmap(window, kWindow);
}

void* DraftArena::do_allocate(std::size_t bytes, std::size_t alignment) {
  if (alignment > kAlign) throw std::bad_alloc();
  const std::size_t size = round_up(std::max<std::size_t>(bytes, 1), kAlign);
  if (size > kMaxKept) return take(size);
  Free*& kept = free_.at(size / kAlign);
  if (kept == nullptr) return take(size);
  return std::exchange(kept, kept->next);
}

/// Larger blocks are rare (xattrs) and go with the arena.
void DraftArena::do_deallocate(void* block, std::size_t bytes, std::size_t /*alignment*/) {
  const std::size_t size = round_up(std::max<std::size_t>(bytes, 1), kAlign);
  if (size > kMaxKept) return;
  Free*& kept = free_.at(size / kAlign);
  kept = new (block) Free{kept};
}

void* DraftArena::take(std::size_t bytes) {
  if (bytes > left_) grow(bytes);
  std::byte* taken = next_;
  next_ += bytes;
  left_ -= bytes;
  return taken;
}

void DraftArena::grow(std::size_t bytes) {
  const std::size_t piece = std::max(bytes, kMemoryPiece);
  if (piece > memory_left_) return grow_file(bytes);
  memory_.push_back(std::make_unique_for_overwrite<std::byte[]>(piece));
  next_ = memory_.back().get();
  left_ = piece;
  memory_left_ -= piece;
}

void DraftArena::grow_file(std::size_t bytes) {
  const std::size_t piece = round_up(bytes, kFilePiece);
  if (piece > kWindow) throw std::bad_alloc();
  if (!file_) file_ = open_at(directory_, ".", O_TMPFILE | O_RDWR, 0600);
  if (windows_.empty() || piece > kWindow - window_used_) {
    // The rest of the last window stays unused; the file goes on with a new one.
    file_bytes_ = windows_.size() * std::uint64_t{kWindow};
    void* window = ::mmap(nullptr, kWindow, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
                          file_.get(), static_cast<off_t>(file_bytes_));
    const int err = errno;
    if (window == MAP_FAILED) fail_errno(err, "mapping a temporary file");
    windows_.push_back(window);
    window_used_ = 0;
    left_ = 0;
  }
  // Space that is not there must be an error now, not a signal when the page is written.
  const int err =
      ::posix_fallocate(file_.get(), static_cast<off_t>(file_bytes_), static_cast<off_t>(piece));
  if (err != 0) fail_errno(err, "growing a temporary file");
  std::byte* begin = static_cast<std::byte*>(windows_.back()) + window_used_;
  // A new piece of the same window continues the one before it.
  if (left_ == 0 || next_ + left_ != begin) {
    next_ = begin;
    left_ = 0;
  }
  left_ += piece;
  window_used_ += piece;
  file_bytes_ += piece;
}

/// Memory is measured when there were enough faults to have filled it: that costs a tenth.
void DraftArena::look() {
  // Opening it costs twice what reading it does.
  if (!statm_) statm_ = Fd(::open("/proc/self/statm", O_RDONLY | O_CLOEXEC));
  const std::uint64_t faults = minor_faults();
  const bool is_due = ++looks_ % kLooksPerMeasurement == 0;
  if (!is_due && (faults - faults_) * kMaxFault < allowed_) return;
  faults_ = faults;
  std::uint64_t resident = resident_file_bytes(statm_.get());
  if (resident >= limit_) {
    // Of a shared mapping only the way to the pages goes; what they hold is the file's
    // (madvise(2)).
    for (void* window : windows_)
      ::madvise(window, kWindow, MADV_DONTNEED);
    resident = resident_file_bytes(statm_.get());
    // What others have mapped stays, and must not make the arena let go again at once.
    limit_ = std::max(kMaxResident, resident + kLeastResident);
  }
  allowed_ = limit_ - resident;
}

}  // namespace layerkit
