// NewestOfKey: per stream and key, from which event on all is needed to tell the key's newest row.
// For compaction (retention.h).
#pragma once

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>

#include <cstdint>
#include <optional>
#include <string>

#include "core/event.h"
#include "core/ids.h"
#include "core/result.h"
#include "core/schema.h"

namespace tidelog {

// One thread. Sees events in order of position.
class NewestOfKey {
 public:
  // `is_begin`: no event that is left comes before those that it is to see.
  explicit NewestOfKey(bool is_begin) : may_have_moved_in_(!is_begin) {}

  // `schema` of the row, or null for an event without one.
  Status see(const Event& event, const Schema* schema);
  // Whether a newer event of its key tells all that this one does.
  bool is_superseded(const Event& event);
  // Whether it is a deletion after which its key never came back.
  bool is_last_deletion(const Event& event);

  // about
  std::uint64_t memory_bytes() const { return memory_bytes_; }

 private:
  struct Newest {
    Position needed_from;  // the last event that tells all of the row, or that it is gone
    Position last;
    Position pinned{UINT64_MAX};  // another key's row needs the events from here on
    bool moved_in = false;        // its row stood under another key before
  };

  static bool has_key(const Event& event);
  void see_life(const Event& event, Newest& newest);
  const std::string& name_of(const Event& event);

  absl::flat_hash_map<std::string, Newest> newest_;  // by stream id and key
  // Deletions of rows that had moved in. Without them a row that has the key later would look like
  // the same one, and be erased with it.
  absl::flat_hash_set<std::uint64_t> ends_;
  const bool may_have_moved_in_;
  std::uint64_t memory_bytes_ = 0;
  std::string name_;
  // By the first half of a key change: what its key needed before it.
  struct Left {
    std::string name;
    Position needed_from;
  };
  std::optional<Left> left_;
};

}  // namespace tidelog
