// SqliteTarget: replay into a SQLite file, one table per table stream (docs/adr/sqlite-tables.md).
// Rows, schemas and the checkpoint change in one SQLite transaction, so a replay that was killed
// anywhere resumes exactly.
//
//   tidelog_checkpoint  one row: which streams, and up to which position
//   tidelog_tables      each stream's table, and the schema it has
//   tidelog_not_known   at `position` these columns of a row, or of all older rows, were not known:
//   NULL stands there
//
// Streams that are no tables (messages, application events) have no rows and are passed over. The
// tables of the file are ours alone: what others write into them is overwritten or makes a replay
// fail.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/target.h"
#include "projections/sqlite.h"
#include "projections/sqlite_table.h"

namespace tidelog {

class SqliteTarget : public Target {
 public:
  // Makes the file when it does not exist. Code::misconfigured for a file that is something else.
  static Result<std::unique_ptr<SqliteTarget>> open(const std::string& path);

  Result<Checkpoint> begin(const std::vector<std::string>& streams) override;
  Status apply(const Event& event, const Schema* schema) override;
  bool takes_application_events() const override { return false; }
  Status commit(const Checkpoint& checkpoint) override;

 private:
  struct StreamTable {
    std::unique_ptr<SqliteTable> table;
    SchemaId schema;                // that the table is known to have; 0: look at the schema itself
    std::vector<std::string> late;  // columns that were added after rows: NULL may mean not known
  };
  // The first half of a moved pair, until its second half comes.
  struct Moving {
    StreamTable* from;
    std::string key;
  };

  explicit SqliteTarget(SqliteDatabase database) : database_(std::move(database)) {}

  Status prepare_file();
  Status check_file();
  Result<bool> has_checkpoint_table();
  Status load_tables();
  Status start_transaction();
  Result<Checkpoint> read_checkpoint(std::string& streams);

  Status apply_row(const Event& event, const Schema& schema);
  Status insert(StreamTable& to, const Event& event);
  Status update(StreamTable& to, const Event& event);
  Status remove(StreamTable& from, const Event& event);
  Status move(StreamTable& in, const Event& event);
  Status finish_move();
  Status put(StreamTable& to, std::string_view row, const Event& event);

  Result<StreamTable*> table_of(const Event& event, const Schema& schema);
  Result<StreamTable*> make_table(const Event& event, const Schema& schema);
  Status change_table(StreamTable& table, const Event& event, const Schema& schema);
  Result<std::string> free_name(std::string_view stream, const Schema& schema);
  Result<bool> is_taken(const std::string& name);
  Status remember_schema(std::string_view stream, const Schema& schema);
  Status note_not_known(const Event& event, std::string_view columns);

  SqliteDatabase database_;
  Checkpoint committed_;
  std::string streams_;
  bool in_transaction_ = false;
  std::map<std::string, std::unique_ptr<StreamTable>, std::less<>> tables_;  // by stream
  std::optional<Moving> moving_;
  std::vector<std::string> not_known_;  // reused
};

}  // namespace tidelog
