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

// One thread. Sees events in order of position, in rounds: the keys of one take memory, and are
// forgotten with it. What is remembered over all rounds grows with key changes alone.
class NewestOfKey {
 public:
  // `schema` of the row, or null for an event without one.
  Status see(const Event& event, const Schema* schema);
  // Whether a newer event of its key tells all that this one does.
  bool is_superseded(const Event& event);
  // Whether it is a deletion after which its key never came back.
  bool is_last_deletion(const Event& event);

  // about, of this round
  std::uint64_t memory_bytes() const { return memory_bytes_; }
  void next_round();

 private:
  struct Newest {
    Position needed_from;  // the last event that tells all of the row, or that it is gone
    Position last;
  };

  static bool has_key(const Event& event);
  bool may_go(const Event& event) const;
  void see_life(const Event& event);
  Position kept_from(const Newest& newest) const;
  const std::string& name_of(const Event& event);

  // By stream id and key.
  absl::flat_hash_map<std::string, Newest> newest_;
  absl::flat_hash_map<std::string, Position> pinned_;  // another key's row needs it from here on
  absl::flat_hash_set<std::string> moved_in_;          // its row stood under another key before
  // Deletions of rows that had moved in. Without them a row that has the key later would look like
  // the same one, and be erased with it.
  absl::flat_hash_set<std::uint64_t> ends_;
  bool is_first_round_ = true;
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
