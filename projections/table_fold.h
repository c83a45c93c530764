// TableFold: one stream's events, folded into the rows that the table held (DESIGN.md sections 4
// and 5). It is fed every event of the stream from the beginning, or from a state snapshot on, in
// order; `state`, the snapshots themselves and the tests of all targets use it.
//
//   event            with a key                                  without: a multiset of rows
//   load, insert     the row under its key                       one row more
//   update           replaces the row under its key              its `before` goes, its new row
//   comes delete           the row under its key goes                  one equal row goes moved
//   pair       delete of the old key, insert of the new    - truncate         no row is left the
//   same schema           rows are shown in the newest shape, by column name
//
// A value that was not sent (Unchanged) is taken from the row before. What nobody knows stays
// Unchanged and is never null: a row from before the history began, or a column that was added
// later, whose default the log does not tell.
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
#include "eventstore/state_file.h"
#include "projections/row_map.h"
#include "projections/row_shape.h"

namespace tidelog {

// What cannot be if the history is whole: counted, and the fold goes on with what the event says.
enum class Contradiction : std::uint8_t {
  update_of_missing_row,
  delete_of_missing_row,
  insert_of_present_row,
  key_not_known,  // the table's key became columns that an older row does not have; the row is left
                  // out
};
std::string_view name_of(Contradiction contradiction);

struct Contradictions {
  struct One {
    Contradiction what;
    Position position;
  };
  static constexpr std::size_t first_count_max = 5;
  std::uint64_t count = 0;
  std::vector<One> first;
  // Updates and deletes of rows that were there before the history began, of a table that was never
  // loaded: no fault.
  std::uint64_t before_history = 0;
};

// The schema of an id; it outlives the fold (StoreReader::schema).
using SchemaLookup = std::function<Result<const Schema*>(SchemaId)>;

// A row as the table held it, in the newest shape. Borrowed until the fold changes or gives the
// next row.
struct TableRow {
  std::string_view key;  // empty without a key
  std::string_view row;
  const Schema* schema;
  Position position;  // of its last change
  Revision revision;
};

// One thread.
class TableFold {
 public:
  explicit TableFold(SchemaLookup schemas) : schemas_(std::move(schemas)) {}

  // Code::corrupt names the position of an event that cannot be; Code::unsupported one that was
  // stored undecoded.
  Status apply(const Event& event);

  // Rows in the order of their keys: the first key column by number if it is an integer, the rest
  // by bytes.
  Status for_each(const std::function<Status(const TableRow&)>& visit) const;
  Result<std::optional<TableRow>> find(std::string_view key);

  // Goes on where a fold was saved. Its rows are put next: all, or, for whoever knows which ones
  // the events to come touch, those alone.
  Status resume(const StateAbout& about);
  void put(const StoredRow& row) { rows_.put(row); }
  // What is to be saved: the fold's part of `about`, and the rows as they are stored, in KeyOrder,
  // borrowed until the fold changes.
  void describe(StateAbout& about) const;
  std::vector<StoredRow> stored_rows() const;

  std::uint64_t row_count() const { return row_count_; }
  const Schema* schema() const { return schema_; }  // the newest; null before the first
  const Contradictions& contradictions() const { return contradictions_; }
  std::uint64_t gap_count() const { return gap_count_; }
  // Whether the table's first load goes on beside the stream: rows are missing.
  bool loading() const { return loading_; }
  std::size_t bytes() const { return rows_.arena_bytes(); }

 private:
  struct Removed {
    std::string key;
    std::string row;
    SchemaId schema;
  };

  Status apply_by_type(const Event& event);
  Status follow_load(const Event& event);
  Status insert(const Event& event);
  Status update(const Event& event);
  Status remove(const Event& event);
  void truncate();

  Status insert_keyed(const Event& event);
  Status update_keyed(const Event& event);
  Status remove_keyed(const Event& event);
  Status update_keyless(const Event& event);
  Status add_copy(std::string_view row, const Event& event);
  Result<bool> remove_copy(std::string_view row, std::string* removed);
  Result<std::optional<std::string>> find_equal_where_known(std::string_view row) const;

  Status use_schema(const Event& event);
  Status reshape_rows(const Schema& before, const Event& event);
  Status put_reshaped_row(const Event& event, std::string_view row, const StoredRow& old);
  Result<const Schema*> schema_of(SchemaId id) const;
  Status put_keyed(const Event& event, std::string_view row);
  Result<std::string_view> filled(const Event& event, const StoredRow* known);
  void contradict(Contradiction what, const Event& event);

  SchemaLookup schemas_;
  RowMap rows_;  // without a key the row is the key
  std::uint64_t row_count_ = 0;
  SchemaId schema_id_;
  const Schema* schema_ = nullptr;
  std::optional<Removed> moving_;  // by the first half of a moved pair
  bool loaded_ = false;            // the history holds every row
  bool loading_ = false;           // its first load has not ended
  bool some_unknown_ = false;      // some row of a keyless table may have an Unchanged value
  std::uint64_t gap_count_ = 0;
  Contradictions contradictions_;
  std::string scratch_;
  std::string shape_scratch_;
};

}  // namespace tidelog
