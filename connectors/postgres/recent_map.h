// RecentMap: what was put or found last, for memory that must not grow with the life of a
// connection. Keeps the `limit` newest keys at least, twice as many at most. Used by the relation
// catalog.
#pragma once

#include <cstddef>
#include <map>
#include <utility>

namespace tidelog::postgres {

// One thread.
template <class Key, class Value>
class RecentMap {
 public:
  explicit RecentMap(std::size_t limit) : limit_(limit) {}

  // Null when it is not there. Valid until the next call.
  const Value* find(const Key& key) {
    if (const auto found = newer_.find(key); found != newer_.end()) return &found->second;
    const auto found = older_.find(key);
    if (found == older_.end()) return nullptr;
    Value value = std::move(found->second);
    older_.erase(found);
    return &put(key, std::move(value));
  }

  const Value& put(const Key& key, Value value) {
    if (newer_.size() >= limit_ && !newer_.contains(key)) {
      older_ = std::move(newer_);
      newer_.clear();
    }
    return newer_[key] = std::move(value);
  }

  std::size_t size() const { return newer_.size() + older_.size(); }

 private:
  std::size_t limit_;
  std::map<Key, Value> newer_;
  std::map<Key, Value> older_;
};

}  // namespace tidelog::postgres
