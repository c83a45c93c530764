// StreamedChanges: what the stream brought of a table that is being loaded and a snapshot may not
// show yet; and what follows from it for a chunk that comes into the log after it. Used by the
// reconciler.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/event.h"
#include "core/result.h"
#include "core/schema.h"
#include "eventstore/batch_builder.h"

namespace tidelog {

// A change of a row, or a truncate, with its own bytes.
struct StreamedChange {
  EventType type = EventType::insert;
  SchemaId schema;
  bool moved = false;
  std::string key;
  std::string before;  // the old row, of a table without keys
  std::string body;

  std::size_t bytes() const { return sizeof *this + key.size() + before.size() + body.size(); }
};

// All changes of one transaction to one table.
struct StreamedTransaction {
  std::string id;
  std::string position;
  std::vector<StreamedChange> changes;
  bool is_forgotten = false;  // the changes were too many to be held
};

// The rows of a chunk by key; what is not among them was not in its part of the table. Borrows from
// the chunk's open transaction.
class ChunkRows {
 public:
  explicit ChunkRows(const BatchBuilder& chunk);
  // Of several rows of one key the last. Null: there is none.
  const std::string_view* find(std::string_view key) const;

 private:
  absl::flat_hash_map<std::string_view, std::string_view> by_key_;
};

// What a chunk must be followed by, so that its rows are those of the place in the log where it
// comes, and not of its snapshot.
struct Correction {
  EventType type = EventType::load;  // load or remove
  SchemaId schema;
  std::string key;
  std::string row;  // of a table without keys also what is removed
};

// The schema that a streamed row has.
using SchemaOf = std::function<Result<Schema>(SchemaId)>;

// For a table with keys. `changes`: of transactions that the snapshot does not show, in their
// order. Nothing: they do not say enough, so that the chunk must be read again.
struct KeyedChunk {
  const ChunkRows* rows;  // all of them; null: it is the whole table, and they are not at hand
  const Schema& schema;
};
Result<std::optional<std::vector<Correction>>> corrections_of_keyed(
    const std::vector<const StreamedChange*>& changes, const KeyedChunk& chunk,
    const SchemaOf& schema_of);

// For a table without, whose chunk is all of it.
std::vector<Correction> corrections_of_keyless(const std::vector<const StreamedChange*>& changes);

}  // namespace tidelog
