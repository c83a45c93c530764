// RowMap: key -> row, many of them in little memory. Rows lie one after the other in chunks of an
// arena, the hash table holds 8 bytes a row; what updates leave behind is compacted away once it is
// half of all. For table_fold.h.
#pragma once

#include <absl/container/flat_hash_set.h>
#include <absl/hash/hash.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "core/ids.h"
#include "eventstore/stored_row.h"

namespace tidelog {

// One thread.
class RowMap {
 public:
  RowMap();
  RowMap(RowMap&&) noexcept;
  RowMap& operator=(RowMap&&) noexcept;
  ~RowMap();

  std::optional<StoredRow> find(std::string_view key) const;
  // Adds the row or replaces the one with its key. Its bytes may not lie in the map.
  void put(const StoredRow& row);
  bool erase(std::string_view key);
  void clear();

  std::size_t key_count() const { return slots_.size(); }
  std::size_t arena_bytes() const;

  // Every row, in no order.
  template <class Visit>
  void for_each(Visit visit) const {
    for (const Slot& slot : slots_) visit(read(slot.ref));
  }

 private:
  // A chunk's index in the upper half, an offset in units of 8 bytes in the lower.
  using Ref = std::uint64_t;
  struct Head;
  class Arena;

  struct Slot {
    mutable Ref ref;  // compaction moves the row: its key, hence its hash, stays
  };
  struct Hash {
    using is_transparent = void;
    const Arena* arena;
    std::size_t operator()(std::string_view key) const { return absl::HashOf(key); }
    std::size_t operator()(const Slot& slot) const {
      return absl::HashOf(key_of(*arena, slot.ref));
    }
  };
  struct Equal {
    using is_transparent = void;
    const Arena* arena;
    bool operator()(const Slot& a, const Slot& b) const { return a.ref == b.ref; }
    bool operator()(const Slot& slot, std::string_view key) const {
      return key_of(*arena, slot.ref) == key;
    }
    bool operator()(std::string_view key, const Slot& slot) const { return (*this)(slot, key); }
  };

  static std::string_view key_of(const Arena& arena, Ref ref);
  static StoredRow stored(const Head& head);
  StoredRow read(Ref ref) const;
  void compact();

  std::unique_ptr<Arena> arena_;  // its address is in slots_
  absl::flat_hash_set<Slot, Hash, Equal> slots_;
};

}  // namespace tidelog
