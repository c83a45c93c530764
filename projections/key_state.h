// KeyState: one row of a table at any position, without folding the table: the key is looked up in
// the nearest state snapshot, and the key's own events after it are applied. For `state --key` and
// complete rows.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/ids.h"
#include "core/result.h"
#include "core/schema.h"
#include "eventstore/store_reader.h"
#include "projections/known_schemas.h"
#include "projections/snapshots.h"
#include "projections/table_fold.h"

namespace tidelog {

// A row as it is known just before some position, in the shape of its schema version.
struct KeyedRow {
  std::string row;
  SchemaId schema;
  Position position;  // of its last change
  Revision revision;
};

// One thread. It reads with a reader of its own.
class KeyState {
 public:
  // Code::not_found names the streams that there are.
  static Result<std::unique_ptr<KeyState>> open(Disk& disk, const std::string& directory,
                                                const std::string& stream, OnDamage on_damage);

  // The row under `key` (its stored form in the schema of then) after every event before `end`,
  // which may lie inside a transaction; nothing when there is none. Code::not_found when the
  // history starts later. Streams whose schema then has no key have no rows by key:
  // Code::misconfigured.
  //
  // Where the table changed its key since the snapshot, the table is folded after all; calls with
  // rising `end` share that fold.
  Result<std::optional<KeyedRow>> row_at(std::string_view key, Position end);

  // The newest schema before `end`; null when there is none.
  Result<const Schema*> schema_at(Position end);
  Result<const Schema*> schema(SchemaId id) const { return schemas_.get(id); }

 private:
  // Where an event says that the row came from.
  struct Arrival {
    std::string old_key;
    Position position;  // the old row is that just before it
  };
  struct Walked {
    std::optional<KeyedRow> row;
    std::optional<Arrival> arrival;  // that may have what the row lacks
  };
  // A schema version and where it begins.
  struct Version {
    Position position;
    SchemaId schema;
    bool reshapes = false;  // the rows before take another key
  };

  KeyState(std::unique_ptr<StoreReader> reader, OnDamage on_damage)
      : reader_(std::move(reader)), schemas_(*reader_), on_damage_(std::move(on_damage)) {}

  Result<std::optional<KeyedRow>> row_once(std::string_view key, Position end);
  void begin_anew();
  Status learn_versions(Position end);
  Status add_version(Position position, SchemaId schema);
  const Version* version_at(Position end) const;
  bool reshaped_between(Position first, Position end) const;

  Status take_snapshot_before(Position end);
  Result<Walked> walk(std::string_view key, Position end);
  Status read_key(std::string_view key, Position first, Position end);
  Status see(Walked& walked, std::string_view key, const Event& event);
  Status arrive(Walked& walked, const Event& event, const Schema& schema);
  Result<std::string> filled(const Event& event, const Schema& schema,
                             const std::optional<KeyedRow>& known) const;
  Status fill_from_arrivals(Walked& walked);
  Result<std::optional<KeyedRow>> row_by_fold(std::string_view key, Position end);

  std::unique_ptr<StoreReader> reader_;
  KnownSchemas schemas_;
  OnDamage on_damage_;
  StreamState stream_;

  std::vector<Version> versions_;
  Position versions_end_;  // read so far

  std::optional<std::vector<SnapshotName>> names_;  // the newest first
  Position history_begin_;
  std::unique_ptr<StateFile> snapshot_;  // that is open

  std::unique_ptr<TableFold> fold_;  // where a key changed
  Position fold_end_;
};

}  // namespace tidelog
