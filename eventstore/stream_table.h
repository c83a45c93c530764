// StreamTable: a value for each stream, by number. An array for the small numbers that stores have,
// a hash map beyond, so that a number out of damaged bytes costs no memory.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <vector>

#include "core/ids.h"

namespace tidelog {

template <class T>
class StreamTable {
 public:
  T& operator[](StreamId stream) {
    if (stream.value >= array_count_max) return rest_[stream];
    if (array_.size() <= stream.value) array_.resize(stream.value + 1);
    return array_[stream.value];
  }
  const T* find(StreamId stream) const {
    if (stream.value < array_.size()) return &array_[stream.value];
    const auto it = rest_.find(stream);
    return it == rest_.end() ? nullptr : &it->second;
  }
  void clear() {
    array_.clear();
    rest_.clear();
  }

 private:
  static constexpr std::size_t array_count_max = 65536;
  std::vector<T> array_;
  absl::flat_hash_map<StreamId, T> rest_;
};

}  // namespace tidelog
