#include "file_names.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <memory>
#include <new>
#include <random>
#include <utility>

#include "layerkit/base/error.h"

namespace layerkit {
namespace {

/// A segment that is fuller is split.
constexpr std::uint32_t kMaxUsed = 200;
/// More segments than an arena has room for.
constexpr std::uint32_t kMaxDepth = 28;
/// Segments lie together: what is looked up at random is then little memory, soon back when the
/// arena has let go of it.
constexpr std::size_t kMaxPerBlock = 64;

/// SipHash-1-3 (Aumasson and Bernstein, "SipHash: a fast short-input PRF").
class SipHash {
 public:
  explicit SipHash(const std::array<std::uint64_t, 2>& key)
      : v0_(key[0] ^ 0x736f6d6570736575U),
        v1_(key[1] ^ 0x646f72616e646f6dU),
        v2_(key[0] ^ 0x6c7967656e657261U),
        v3_(key[1] ^ 0x7465646279746573U) {}

  void add(std::uint64_t word) noexcept {
    v3_ ^= word;
    mix();
    v0_ ^= word;
  }

  std::uint64_t finish() noexcept {
    v2_ ^= 0xffU;
    for (int i = 0; i < 3; ++i)
      mix();
    return v0_ ^ v1_ ^ v2_ ^ v3_;
  }

 private:
  void mix() noexcept {
    v0_ += v1_;
    v1_ = std::rotl(v1_, 13) ^ v0_;
    v0_ = std::rotl(v0_, 32);
    v2_ += v3_;
    v3_ = std::rotl(v3_, 16) ^ v2_;
    v0_ += v3_;
    v3_ = std::rotl(v3_, 21) ^ v0_;
    v2_ += v1_;
    v1_ = std::rotl(v1_, 17) ^ v2_;
    v2_ = std::rotl(v2_, 32);
  }

  std::uint64_t v0_, v1_, v2_, v3_;
};

std::array<std::uint64_t, 2> random_key() {
  std::random_device random;
  const auto word = [&random] { return std::uint64_t{random()} << 32U | random(); };
  return {word(), word()};
}

std::size_t first_bits(std::uint64_t hash, std::uint32_t count) noexcept {
  return count == 0 ? 0 : static_cast<std::size_t>(hash >> (64 - count));
}

}  // namespace

FileNames::FileNames(DraftArena& arena) : arena_(arena), key_(random_key()), segments_(&arena) {
  segments_.push_back(&make_segment(0));
}

FileName* FileNames::find(const DraftDir& dir, std::string_view name) const {
  const std::uint64_t hash = hash_of(dir, name);
  return slot_of(segment_of(hash), hash, dir, name).name;
}

bool FileNames::add(DraftDir& dir, std::string_view name, DraftFile& file) {
  const std::uint64_t hash = hash_of(dir, name);
  while (segment_of(hash).used > kMaxUsed)
    split(hash);
  Segment& segment = segment_of(hash);
  Slot& slot = slot_of(segment, hash, dir, name);
  if (slot.name != nullptr) return false;
  auto& added = *std::pmr::polymorphic_allocator<>(&arena_).new_object<FileName>(&arena_);
  added.name = name;
  added.dir = &dir;
  added.file = &file;
  added.next = dir.files;
  if (added.next != nullptr) added.next->previous = &added;
  dir.files = &added;
  slot = {hash, &added};
  ++segment.used;
  return true;
}

void FileNames::remove(FileName& name) {
  const std::uint64_t hash = hash_of(*name.dir, name.name);
  Segment& segment = segment_of(hash);
  // Those behind it move up: between a name and its place there must be no gap.
  auto gap = static_cast<std::size_t>(&slot_of(segment, hash, *name.dir, name.name) -
                                      segment.slots.data());
  for (std::size_t at = (gap + 1) % kSlots; segment.slots[at].name != nullptr;
       at = (at + 1) % kSlots) {
    const std::size_t way = (at + kSlots - segment.slots[at].hash % kSlots) % kSlots;
    if (way < (at + kSlots - gap) % kSlots) continue;
    segment.slots[gap] = segment.slots[at];
    gap = at;
  }
  segment.slots[gap] = {};
  --segment.used;
  if (name.next != nullptr) name.next->previous = name.previous;
  (name.previous == nullptr ? name.dir->files : name.previous->next) = name.next;
  std::pmr::polymorphic_allocator<>(&arena_).delete_object(&name);
}

std::uint64_t FileNames::hash_of(const DraftDir& dir, std::string_view name) const noexcept {
  SipHash hash(key_);
  hash.add(reinterpret_cast<std::uintptr_t>(&dir));
  hash.add(name.size());
  while (!name.empty()) {
    std::uint64_t word = 0;
    const std::size_t part = std::min(name.size(), sizeof(word));
    std::memcpy(&word, name.data(), part);
    hash.add(word);
    name.remove_prefix(part);
  }
  return hash.finish();
}

FileNames::Segment& FileNames::segment_of(std::uint64_t hash) const {
  return *segments_[first_bits(hash, depth_)];
}

FileNames::Slot& FileNames::slot_of(Segment& segment,
                                    std::uint64_t hash,
                                    const DraftDir& dir,
                                    std::string_view name) const {
  for (std::size_t at = hash % kSlots;; at = (at + 1) % kSlots) {
    Slot& slot = segment.slots[at];
    if (slot.name == nullptr) return slot;
    if (slot.hash == hash && slot.name->dir == &dir && slot.name->name == name) return slot;
  }
}

FileNames::Segment& FileNames::make_segment(std::uint32_t depth) {
  if (left_ == 0) {
    left_ = std::clamp<std::size_t>(made_, 1, kMaxPerBlock);
    const std::size_t bytes = left_ * sizeof(Segment);
    std::size_t room = bytes + alignof(Segment);
    void* block = arena_.allocate(room);
    next_ = static_cast<std::byte*>(std::align(alignof(Segment), bytes, block, room));
  }
  auto& segment = *new (next_) Segment();
  next_ += sizeof(Segment);
  --left_;
  ++made_;
  segment.depth = depth;
  return segment;
}

/// The first empty slot for such a hash.
FileNames::Slot& FileNames::place_of(Segment& segment, std::uint64_t hash) {
  std::size_t at = hash % kSlots;
  while (segment.slots[at].name != nullptr)
    at = (at + 1) % kSlots;
  return segment.slots[at];
}

void FileNames::split(std::uint64_t hash) {
  Segment& one = segment_of(hash);
  if (one.depth == depth_) {
    if (depth_ == kMaxDepth) fail(Errc::Limit, "reading a layer: it has too many names");
    std::pmr::vector<Segment*> doubled(&arena_);
    doubled.reserve(segments_.size() * 2);
    for (Segment* segment : segments_)
      doubled.insert(doubled.end(), 2, segment);
    segments_ = std::move(doubled);
    ++depth_;
  }
  const std::uint32_t depth = one.depth + 1;
  Segment& other = make_segment(depth);
  const auto slots = std::exchange(one.slots, {});
  one.depth = depth;
  one.used = 0;
  for (const Slot& slot : slots) {
    if (slot.name == nullptr) continue;
    Segment& half = (first_bits(slot.hash, depth) & 1U) == 0 ? one : other;
    place_of(half, slot.hash) = slot;
    ++half.used;
  }
  // The second half of the places that had the one.
  const std::size_t places = segments_.size() >> depth;
  const auto second = segments_.begin() +
                      static_cast<std::ptrdiff_t>((first_bits(hash, depth - 1) * 2 + 1) * places);
  std::fill_n(second, places, &other);
}

void sort_file_names(DraftDir& dir, const std::function<void()>& step) {
  std::vector<FileName*> names;
  for (FileName* name = dir.files; name != nullptr; name = name->next) {
    names.push_back(name);
    step();
  }
  std::ranges::sort(names, {}, [](const FileName* name) { return std::string_view(name->name); });
  FileName* next = nullptr;
  for (auto name = names.rbegin(); name != names.rend(); ++name) {
    if (next != nullptr) next->previous = *name;
    (*name)->next = std::exchange(next, *name);
    step();
  }
  if (next != nullptr) next->previous = nullptr;
  dir.files = next;
  for (const auto& [name, child] : dir.children)
    sort_file_names(*child, step);
}

}  // namespace layerkit
