// NewestOfKey: per stream and key, from which event on all is needed to tell the key's newest row.
// For compaction (retention.h).
#pragma once

#include <absl/container/flat_hash_map.h>

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
  };

  static bool has_key(const Event& event);
  const std::string& name_of(const Event& event);

  absl::flat_hash_map<std::string, Newest> newest_;  // by stream id and key
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
