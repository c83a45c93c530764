// CompleteRows: row events with everything filled in that the log did not send: values that were
// left out of an update, and what the row was before. It is taken from the store's own state, exact
// at the event's position, and never from the source. What the store does not know either stays
// Unchanged, or without a before. For `events`, `replay` and sinks alike.
//
//   event             with a key                           without one
//   load, insert      as it is                             as it is
//   update            whole row, before: the whole row     whole row, from the before it has
//   delete            before: the whole row                as it is: it has the whole row
//   moved delete      before: the whole row                -
//   moved insert      whole row, before: the old key       -
//
// Memory is bounded by a cache of rows. A row that is not in it is looked up by KeyState.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/event.h"
#include "core/result.h"
#include "core/schema.h"
#include "eventstore/store_reader.h"
#include "projections/key_state.h"

namespace tidelog {

struct CompleteRowsOptions {
  std::uint64_t cache_bytes = 64ULL << 20;
};

// One thread.
class CompleteRows {
 public:
  // The reader is the one that gives the events: it knows their schemas. It is never moved.
  CompleteRows(StoreReader& reader, CompleteRowsOptions options, OnDamage on_damage)
      : reader_(reader), options_(options), on_damage_(std::move(on_damage)) {}

  // Events may come from anywhere and in any order; it is fast when each stream's come in order
  // and without a gap. Borrowed until the next call, and from the reader.
  Result<const Event*> complete(const Event& event);

 private:
  struct Table;
  struct CachedRow {
    Table* table;
    std::string key;
    std::optional<std::string> row;  // none: there is no row under the key
    SchemaId schema{};
    std::uint64_t bytes() const;
  };
  using Cache = std::list<CachedRow>;  // the last used first
  // One stream, as far as its events were seen.
  struct Table {
    std::string stream;
    std::unique_ptr<KeyState> state;
    const Schema* schema = nullptr;
    SchemaId schema_id{};
    Revision next{};  // of the event that comes without a gap
    // Every change from here on is in the cache: what is not was not changed since. Before it the
    // table was empty, or asked for.
    Position covered_from{};
    bool empty_before = false;
    std::optional<Position> undecoded;
    absl::flat_hash_map<std::string_view, Cache::iterator> rows;
    struct Moving {
      std::string key;
      std::optional<std::string> row;
      SchemaId schema;
    };
    std::optional<Moving> moving;  // by the first half of a move, until the second
  };

  Table& table_of(const Event& event);
  Status follow(Table& table, const Event& event);
  Status complete_keyed(Table& table, const Event& event);
  Status complete_update(Table& table, const Event& event);
  Status complete_remove(Table& table, const Event& event);
  Status complete_moved(Table& table, const Event& event);
  Status complete_keyless(const Event& event, const Schema& schema);

  struct Known {
    std::optional<std::string> row;
    const Schema* schema = nullptr;
    SchemaId schema_id{};
  };
  Result<Known> known_row(Table& table, std::string_view key, const Event& event);
  Status fill(const Event& event, const Schema& schema, const Known& known);
  Status show_before(const Event& event, const Schema& schema, const Known& known);
  Result<const Schema*> schema_of(const Table& table, SchemaId id) const;

  void remember(Table& table, std::string_view key, std::optional<std::string> row,
                SchemaId schema);
  void forget_all(Table& table);
  void evict(Position position);

  StoreReader& reader_;
  CompleteRowsOptions options_;
  OnDamage on_damage_;
  std::map<std::string, std::unique_ptr<Table>, std::less<>> tables_;
  Cache cache_;
  std::uint64_t cached_bytes_ = 0;
  Event out_;
  std::string body_, before_, scratch_;
};

}  // namespace tidelog
