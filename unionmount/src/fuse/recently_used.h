#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>

namespace layerkit {

/// A bounded cache: beyond `capacity` the least recently used goes. Values are shared: one that is
/// in use outlives its place here. Thread-safe.
template <typename Key, typename Value, typename Hash>
class RecentlyUsed final {
 public:
  using Ref = std::shared_ptr<const Value>;

  explicit RecentlyUsed(std::size_t capacity) : capacity_(capacity) {}

  /// Null when it is not there.
  Ref find(const Key& key) {
    const std::lock_guard lock(mutex_);
    const auto found = places_.find(key);
    if (found == places_.end()) return nullptr;
    recent_.splice(recent_.begin(), recent_, found->second);
    return found->second->second;
  }

  /// What is there already if another thread was faster, else `value`.
  Ref add(const Key& key, Value value) {
    auto ref = std::make_shared<const Value>(std::move(value));
    Ref dropped;  // destroyed outside of the mutex
    const std::lock_guard lock(mutex_);
    const auto [place, is_new] = places_.try_emplace(key);
    if (!is_new) return place->second->second;
    recent_.emplace_front(key, ref);
    place->second = recent_.begin();
    if (recent_.size() > capacity_) {
      dropped = std::move(recent_.back().second);
      places_.erase(recent_.back().first);
      recent_.pop_back();
    }
    return ref;
  }

  void drop(const Key& key) {
    const std::lock_guard lock(mutex_);
    const auto found = places_.find(key);
    if (found == places_.end()) return;
    recent_.erase(found->second);
    places_.erase(found);
  }

  template <typename Predicate>
  void drop_if(Predicate&& predicate) {
    const std::lock_guard lock(mutex_);
    for (auto it = recent_.begin(); it != recent_.end();) {
      if (!predicate(it->first)) {
        ++it;
        continue;
      }
      places_.erase(it->first);
      it = recent_.erase(it);
    }
  }

  void clear() {
    const std::lock_guard lock(mutex_);
    places_.clear();
    recent_.clear();
  }

 private:
  using Items = std::list<std::pair<Key, Ref>>;

  std::size_t capacity_;
  std::mutex mutex_;
  Items recent_;  ///< most recently used first
  std::unordered_map<Key, typename Items::iterator, Hash> places_;
};

}  // namespace layerkit
