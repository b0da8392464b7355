#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace layerkit {

/// Keeps those of many values that cost most; of equal ones the first to come.
template <typename Value>
class TopList {
 public:
  explicit TopList(std::size_t size) : size_(size) {}

  /// Whether a value of this cost would be kept.
  bool wants(std::uint64_t cost) const noexcept {
    return values_.size() < size_ || (size_ > 0 && cost > values_.front().cost);
  }

  void add(std::uint64_t cost, Value value) {
    if (!wants(cost)) return;
    if (values_.size() == size_) {
      std::ranges::pop_heap(values_, is_dearer);
      values_.pop_back();
    }
    values_.push_back({cost, count_++, std::move(value)});
    std::ranges::push_heap(values_, is_dearer);
  }

  /// The dearest first.
  std::vector<Value> take() && {
    std::ranges::sort(values_, is_dearer);
    std::vector<Value> result;
    for (Ranked& ranked : values_)
      result.push_back(std::move(ranked.value));
    return result;
  }

 private:
  struct Ranked {
    std::uint64_t cost;
    std::uint64_t number;
    Value value;
  };
  static bool is_dearer(const Ranked& a, const Ranked& b) noexcept {
    return a.cost != b.cost ? a.cost > b.cost : a.number < b.number;
  }

  std::size_t size_;
  std::uint64_t count_ = 0;
  std::vector<Ranked> values_;  ///< a heap, the cheapest in front
};

}  // namespace layerkit
