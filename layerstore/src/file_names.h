#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory_resource>
#include <string>
#include <string_view>
#include <vector>

#include "draft_arena.h"
#include "draft_dir.h"

namespace layerkit {

struct DraftFile;

/// One name of a file of a draft. Lies in its arena.
struct FileName {
  explicit FileName(std::pmr::memory_resource* arena) : name(arena) {}

  DraftDir* dir = nullptr;
  FileName* next = nullptr;  ///< of the same directory, in no order
  FileName* previous = nullptr;
  DraftFile* file = nullptr;
  std::pmr::string name;
};

/// The names of all files of a draft, found by one hash table: to look one up or to add one touches
/// a page of the arena or two, in whatever order they come and however many there are. It grows
/// page by page (extendible hashing). The hash is keyed: nobody can choose names that meet. Not
/// thread-safe.
class FileNames {
 public:
  explicit FileNames(DraftArena& arena);

  /// Null when there is none.
  FileName* find(const DraftDir& dir, std::string_view name) const;
  /// False when the name is taken.
  bool add(DraftDir& dir, std::string_view name, DraftFile& file);
  void remove(FileName& name);

 private:
  struct Slot {
    std::uint64_t hash;
    FileName* name;  ///< null: it is empty
  };
  static constexpr std::size_t kSlots = 255;

  /// A page of slots, found by the first `depth` bits of a hash; a name is at its place in it, or
  /// behind that after others, without a gap.
  struct alignas(4096) Segment {
    std::uint32_t depth = 0;
    std::uint32_t used = 0;
    std::array<Slot, kSlots> slots{};
  };

  std::uint64_t hash_of(const DraftDir& dir, std::string_view name) const noexcept;
  Segment& segment_of(std::uint64_t hash) const;
  /// The slot of the name, or the empty one where it would be.
  Slot& slot_of(Segment& segment,
                std::uint64_t hash,
                const DraftDir& dir,
                std::string_view name) const;
  Segment& make_segment(std::uint32_t depth);
  static Slot& place_of(Segment& segment, std::uint64_t hash);
  /// Makes two of the one that has names with this hash.
  void split(std::uint64_t hash);

  DraftArena& arena_;
  std::array<std::uint64_t, 2> key_;
  std::uint32_t depth_ = 0;              ///< the greatest of all segments
  std::pmr::vector<Segment*> segments_;  ///< by the first `depth_` bits of a hash
  std::byte* next_ = nullptr;            ///< room for segments
  std::size_t left_ = 0;                 ///< so many of them
  std::size_t made_ = 0;
};

/// Puts the names of each directory at and below `dir` in order, bytewise. `step` is called between
/// small steps of work.
void sort_file_names(DraftDir& dir, const std::function<void()>& step);

}  // namespace layerkit
