#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <memory_resource>
#include <vector>

#include "layerkit/base/fd.h"

namespace layerkit {

/// Memory for very many small objects of which few are in use at a time. The first of it is
/// ordinary memory; all that comes later is mapped from a nameless file, from which `tidy` cuts the
/// process loose again and again: what is touched next comes back from the page cache, or from the
/// disk. So what lies in it costs address space and disk, but resident memory only for a moment.
/// Everything goes with the arena at once. Not thread-safe.
class DraftArena final : public std::pmr::memory_resource {
 public:
  /// `directory` is where the file is made when it is needed; it must outlive the arena.
  explicit DraftArena(int directory, std::size_t max_memory = std::size_t{2} << 20);
  DraftArena(const DraftArena&) = delete;
  DraftArena& operator=(const DraftArena&) = delete;
  ~DraftArena() override;

  /// To be called between small steps of work: lets go of what was touched when it has become much.
  void tidy() {
    if (!windows_.empty() && ++steps_ % kStepsPerLook == 0) look();
  }
  /// Bytes of the file.
  std::uint64_t file_bytes() const noexcept { return file_bytes_; }

 private:
  /// A free block of one of the sizes that are kept.
  struct Free {
    Free* next;
  };

  static constexpr unsigned kStepsPerLook = 16;
  static constexpr std::size_t kAlign = alignof(std::max_align_t);
  static constexpr std::size_t kMaxKept = 4096;
  /// Pages of files that the process may have mapped before the arena lets go of its own; in any
  /// case the arena may have so many.
  static constexpr std::uint64_t kMaxResident = std::uint64_t{16} << 20;
  static constexpr std::uint64_t kLeastResident = std::uint64_t{4} << 20;

  void* do_allocate(std::size_t bytes, std::size_t alignment) override;
  void do_deallocate(void* block, std::size_t bytes, std::size_t alignment) override;
  bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override {
    return this == &other;
  }

  void* take(std::size_t bytes);
  /// Makes at least `bytes` more available at `next_`.
  void grow(std::size_t bytes);
  void grow_file(std::size_t bytes);
  void look();

  int directory_;
  std::size_t memory_left_;
  std::vector<std::unique_ptr<std::byte[]>> memory_;
  Fd file_;
  std::uint64_t file_bytes_ = 0;
  std::vector<void*> windows_;   ///< where the file is mapped, piece by piece
  std::size_t window_used_ = 0;  ///< bytes of the last one that the file has already
  std::byte* next_ = nullptr;    ///< what was not given out yet
  std::size_t left_ = 0;         ///< bytes there
  std::array<Free*, kMaxKept / kAlign + 1> free_{};  ///< by size
  unsigned steps_ = 0;
  Fd statm_;  ///< of this process
  unsigned looks_ = 0;
  std::uint64_t limit_ = kMaxResident;  ///< bytes of files that may be mapped
  std::uint64_t allowed_ = 0;           ///< more than were when that was measured last
  std::uint64_t faults_ = 0;            ///< there were until then
};

}  // namespace layerkit
