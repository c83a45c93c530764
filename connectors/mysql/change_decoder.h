// From the events of a binlog, in their order, to calls of a ChangeHandler: transactions, rows,
// schemas, statements, positions. Knows no socket and no SQL, so that it is tested with bytes
// alone. What it cannot follow ends it with an error that says where in the binlog that is: nothing
// is passed over that may have changed a captured table.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/mysql/column_format.h"
#include "connectors/mysql/event_check.h"
#include "connectors/mysql/executed.h"
#include "connectors/mysql/flavour.h"
#include "connectors/mysql/payload_reader.h"
#include "connectors/mysql/query_event.h"
#include "connectors/mysql/row_encoder.h"
#include "connectors/mysql/rows_event.h"
#include "connectors/mysql/statement.h"
#include "connectors/mysql/value_decoder.h"
#include "connectors/mysql/xa_id.h"
#include "connectors/tables/stream_names.h"
#include "connectors/tables/table_pattern.h"
#include "core/event.h"
#include "core/held_transaction.h"
#include "core/result.h"
#include "core/source.h"
#include "core/source_position.h"

namespace tidelog::mysql {

// One per connection: the numbers of tables are those of one run of the server. One thread.
class ChangeDecoder {
 public:
  struct Settings {
    Flavour flavour = Flavour::mysql;
    bool folds_case = false;  // lower_case_table_names is not 0: statements have names in any case
    // The tables that were there when the stream began are marked as such. Others that come
    // without having been made in the log may have rows that are not known.
    bool has_unmarked_tables = false;
    // "shop.orders" of tables with generated columns that the server does not log in updates.
    std::set<std::string, std::less<>> partly_logged = {};
  };
  // Goes on after `resume`, which is streaming. The handler must outlive the decoder.
  static Result<ChangeDecoder> open(MysqlResume resume, TableChoice captured,
                                    const Settings& settings, ChangeHandler& handler);

  // An event that is whole.
  Status decode(const PlacedEvent& event);
  // A transaction payload that comes in pieces.
  Status begin_payload(const PlacedEvent& event);
  Status add_to_payload(std::string_view piece);
  Status end_payload();
  // Everything before this place was decoded. Between transactions that may be progress.
  Status reached(const std::string& file, std::uint64_t offset);

  bool in_transaction() const { return group_ != Group::none; }
  // After an error in a transaction: the position behind it. Nothing when no transaction is open,
  // where it ends is not known (lacks_end), or the error was the handler's.
  std::optional<MysqlResume> behind_open_transaction() const;
  // Without GTIDs only its last event tells where it ends: then those behind the error are passed
  // over up to that one, which answers with true.
  bool lacks_end() const;
  bool pass_over(const PlacedEvent& event);

 private:
  // The events of a transaction, as far as they have come.
  enum class Group : std::uint8_t {
    none,
    named,  // its GTID: what follows may be one statement, and nothing more
    open,
  };
  enum class InPayload : std::uint8_t { no, before_first_piece, yes };
  // Of the open transaction.
  struct Open {
    std::string gtid;  // empty: it has none
    std::variant<std::monostate, Gtid, MariadbGtid> id;
    BinlogPlace place;  // of its first event
    UnixMicros time;
    bool is_begun = false;       // the handler knows of it
    bool is_at_end = false;      // the event that is being decoded is its last one
    bool is_only_start = false;  // of an ALTER TABLE, which comes once more when it is over
    std::string xa_id;           // what it prepares, commits or rolls back
    // What an XA transaction has changed so far.
    std::unique_ptr<HeldTransaction> held = nullptr;
    bool holds_rows = false;
  };
  struct MappedTable {
    std::string map;  // the event's body: the same again says nothing new
    bool is_captured = false;
    std::string name;  // "shop.orders"
    TableFormat format;
    bool has_key = false;
    std::vector<bool> is_large;                     // columns that NOBLOB may leave out
    std::optional<ChangeHandler::Version> version;  // once announced on this connection
    std::uint64_t endings_before = 0;               // of it
  };

  ChangeDecoder(MysqlResume resume, Executed executed, TableChoice captured,
                const Settings& settings, ChangeHandler& handler);

  Status take(const Event& event);
  Status placed(Status done) const;
  Status dispatch(const Event& event);
  Status on_gtid(const Event& event);
  Status on_mariadb_gtid(const Event& event);
  Status on_query(const Event& event);
  Status on_xa_prepare(const Event& event);
  Status on_table_map(const Event& event);
  Status on_rows(const Event& event);
  Status on_format(const Event& event);

  Status open_group(Group group, Open open);
  Status expect_no_transaction(std::string_view what) const;
  Status end_transaction();
  Status finish();
  Status begin_if_needed();

  Status begin_holding();
  Status hold(const Event& event);
  Status apply(HeldTransaction& held);
  void end_held(std::unique_ptr<HeldTransaction> held);
  std::string xa_id_of(std::string_view text, std::string_view verb) const;
  Status on_xa_commit(std::string_view text);
  Status on_xa_rollback(std::string_view text);
  Status on_control(const Statement& statement, std::string_view text);
  Status on_rolled_back(std::string_view what) const;
  Status on_ddl(Statement statement, std::string_view text);
  Status on_rows_statement(const Statement& statement, std::string_view text) const;
  Status fold_case(Statement& statement) const;
  Status check_names(std::string_view text) const;
  bool captures(const NamedTable& named) const;
  bool captures(std::string_view database, std::string_view table) const;
  bool may_capture_in(std::string_view database) const;
  bool concerns(const Statement& statement) const;
  Status emit_ddl(const Statement& statement, std::string_view text);
  Status apply_ddl(const Statement& statement, const NamedTable& named, std::uint32_t ordinal);
  Status rename(const std::vector<NamedTable>& tables, std::uint32_t ordinal);
  Status load_anew(const NamedTable& named);
  Status truncate(const NamedTable& named, std::uint32_t ordinal);
  Status end_table(const NamedTable& named, std::string_view reason, std::uint32_t ordinal);

  Status describe(MappedTable& table);
  Status announce(MappedTable& table);
  bool leaves_out_generated(const MappedTable& table, const RowsEvent& rows) const;
  Status emit_row(const MappedTable& table, RowsChange change, bool has_whole_before);
  Status emit_update(const MappedTable& table, EventBody& event);

  // Remembers that it was the handler that failed: its errors are passed on as they are.
  template <class Answer>
  Answer noted(Answer answer) {
    handler_failed_ = handler_failed_ || !answer;
    return answer;
  }

  MysqlResume resume_;
  Executed executed_;
  TableChoice choice_;
  Settings settings_;
  ChangeHandler* handler_;

  Group group_ = Group::none;
  Open open_;
  BinlogPlace place_;             // of the event that is being decoded
  std::uint64_t end_offset_ = 0;  // of it
  InPayload in_payload_ = InPayload::no;
  bool has_ended_ = false;  // the transaction in the payload
  bool handler_failed_ = false;
  std::uint32_t next_ordinal_ = 0;

  absl::flat_hash_map<std::uint64_t, std::unique_ptr<MappedTable>> tables_;
  StreamNames stream_names_;
  std::set<std::string, std::less<>> made_;  // captured tables whose CREATE TABLE came
  // XA transactions that are prepared, by what they are called.
  std::map<std::string, std::unique_ptr<HeldTransaction>, std::less<>> prepared_;
  // Of transactions that end with the open one.
  std::vector<std::unique_ptr<HeldTransaction>> ended_;
  // Streams that ended: what was announced before may not be the newest of its stream any more.
  std::uint64_t endings_ = 0;
  std::optional<StreamId> source_stream_;

  std::unique_ptr<PayloadReader> payload_;
  ValueDecoder values_;
  EncodedRow before_;
  EncodedRow after_;
  std::string inflated_;
  std::string text_;
  std::string attributes_;
};

}  // namespace tidelog::mysql
