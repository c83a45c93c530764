// From the pgoutput messages of whole transactions, one after the other in commit order, to calls
// of a ChangeHandler: transactions, events, schemas, positions. Knows no socket and no SQL, so that
// it is tested with bytes alone. Driven by the assembly of transactions, which also hands over
// those that came in pieces or were prepared, as if they had come whole.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/postgres/binary_form.h"
#include "connectors/postgres/ddl_message.h"
#include "connectors/postgres/pgoutput.h"
#include "connectors/postgres/relation_catalog.h"
#include "connectors/postgres/row_encoder.h"
#include "connectors/postgres/row_transform.h"
#include "connectors/tables/stream_names.h"
#include "connectors/tables/table_pattern.h"
#include "core/event.h"
#include "core/result.h"
#include "core/source.h"
#include "core/source_position.h"

namespace tidelog::postgres {

// One per connection: RELATION messages repeat on each. One thread.
class ChangeDecoder {
 public:
  // Where a frame's payload came from, for errors and for messages that have no transaction.
  struct Place {
    Lsn lsn;
    UnixMicros server_time;
  };

  // Goes on after `resume`. Handler and catalog must outlive the decoder.
  ChangeDecoder(PostgresResume resume, TableChoice captured, RelationCatalog& catalog,
                ChangeHandler& handler);

  // Values may come in binary form from here on. A row whose values could not be read ends that: an
  // error, and what it is about in unreadable().
  void expect_binary() { is_binary_ = true; }
  // "the column c of public.t is of the type box". Empty: there was none.
  const std::string& unreadable() const { return unreadable_; }

  Status decode(std::string_view message, Place place);
  // What begin and commit messages do. The global id is that of one that was prepared; empty: none.
  Status begin(const Begin& begin, std::string_view global_id);
  Status commit(const Commit& commit);
  // Everything before `sent` was sent. Between transactions that is progress.
  Status reached(Lsn sent);

  // Prepared transactions that are kept: part of the resume position from its next change on, which
  // comes with a commit or with passed().
  void keeps(std::uint64_t id);
  void no_longer_keeps(std::uint64_t id);
  Status passed(Lsn end);

  // Of rows of this relation. What does not fit the rules stops nothing where it is not captured,
  // and is not held.
  Result<std::unique_ptr<RowTransform>> transform_of(const Relation& relation) {
    auto transform = catalog_.transform_of(relation);
    if (transform || choice_.has(relation.schema, relation.table)) return transform;
    return RowTransform::without_values(relation);
  }
  // How values of its rows look when they are in binary form. Empty: none is, or none is read.
  Result<std::vector<BinaryType>> binary_types_of(const Relation& relation,
                                                  const RowTransform* transform);
  // The same of rows that are handed over: behind the description of their relation
  // (binary_mark.h).
  Status note_binary(std::string_view mark);
  // Rows of a transaction that is handed over are held as they are stored (row_transform.h): behind
  // the description of their relation. Code::misconfigured when they would now be stored otherwise.
  Status note_transformed(std::string_view mark);

  bool in_transaction() const { return in_transaction_; }
  Lsn position() const { return resume_.end_lsn; }  // everything before it was handed on
  // After an error in a transaction: the position behind that one. The server sends what commits at
  // or after a position, so it is the byte behind the begin of its commit record. Nothing when no
  // transaction is open, or its error was the handler's.
  std::optional<PostgresResume> behind_open_transaction() const;
  // An error of the handler is passed on as it is.
  bool handler_failed() const { return handler_failed_; }
  // A table was made that is captured, and of which nothing is sent unless it is published.
  bool found_new_table() const { return found_new_table_; }

  // Relations as the server described them on this connection. A transaction that is handed over
  // later than it was sent brings the descriptions of then, in a set of its own.
  class Relations;
  Relations set_relations_aside();
  void bring_back(Relations aside);

 private:
  struct CapturedRelation {
    // Until the first row comes: then the rest is made from it. After that only of one whose
    // schema may change without being sent anew, as types may be renamed.
    Relation sent;
    bool described = false;
    bool captured = true;
    std::string name;  // "public.orders"
    Schema schema;
    bool has_key = false;
    std::unique_ptr<RowTransform> transform;  // null: rows are stored as they come
    std::optional<std::string> held_as;       // what was done to rows before they were held
    std::optional<std::vector<BinaryType>> held_types;  // of rows that are held in binary form
    std::vector<BinaryType> types;                      // of stored columns; empty: all are texts
    std::optional<ChangeHandler::Version> version;      // once announced on this connection
    std::uint64_t endings_before = 0;                   // of it
  };
  struct HeldMessage {
    Lsn lsn;
    UnixMicros time;
    std::string prefix;
    std::string content;
  };

  Status dispatch(char letter, ByteReader in, Place place);
  Status on_origin(ByteReader in);
  Status on_relation(ByteReader in);
  Status on_type(ByteReader in);
  Status on_insert(ByteReader in);
  Status on_update(ByteReader in);
  Status on_delete(ByteReader in);
  Status on_truncate(ByteReader in);
  Status on_message(ByteReader in, Place place);

  // Remembers that it was the handler that failed: its errors are passed on as they are.
  template <class Answer>
  Answer noted(Answer answer) {
    handler_failed_ = handler_failed_ || !answer;
    return answer;
  }
  Status expect_transaction(std::string_view message) const;
  Status begin_if_needed();
  Result<CapturedRelation*> relation_of(std::uint32_t oid);
  const TableDescription* told_of(std::uint32_t oid) const;
  // The relation of a row message, announced; nothing if it is not captured. Counts the ordinal
  // either way.
  Result<CapturedRelation*> open_row(std::uint32_t oid, EventBody& event);
  Status describe(CapturedRelation& relation);
  Status describe_binary(CapturedRelation& relation);
  Status announce(CapturedRelation& relation);
  static Status check_held(const CapturedRelation& relation);
  static Result<const Tuple*> stored(const CapturedRelation& relation, const Tuple& sent);
  Status encode_old(const CapturedRelation& relation);
  Result<std::string_view> key_of(const CapturedRelation& relation, EncodedRow& row);
  void set_before(const CapturedRelation& relation, std::string_view old_key,
                  EventBody& event) const;
  Status emit_update(const CapturedRelation& relation, std::string_view old_key,
                     std::string_view new_key, EventBody& event);
  Status emit_message(Lsn lsn, std::string_view prefix, std::string_view content,
                      std::uint32_t ordinal);
  Status emit_alone(const HeldMessage& message);
  // What the event triggers say.
  Result<bool> take_ddl(const LogicalMessage& message);
  bool concerns(const DdlMessage& ddl) const;
  Status emit_ddl(const DdlMessage& ddl, Lsn lsn);
  Status on_touched(TouchedTable& touched);
  Status on_renamed(const TouchedTable& touched, bool is_captured);
  Status on_dropped(const DroppedTable& dropped);
  // What is not told: another table, or another name, under which rows come.
  Status notice_other_table(const CapturedRelation& relation);
  Status check_rules_for(const TableDescription& now, const ChangeHandler::KnownTable& before,
                         std::string_view name);
  Status check_rules_follow(const ChangeHandler::KnownTable& before, bool has_rules,
                            std::string_view name) const;
  Status end_stream(const ChangeHandler::KnownTable& known, std::string_view reason);
  // Of the table with this name and oid; what is known may be another one already.
  Status end_table(const DroppedTable& over, const std::string& reason);
  Status begin_load(const std::string& table);
  Status emit_held();
  std::string advance_to(Lsn end);

  PostgresResume resume_;
  TableChoice choice_;
  RelationCatalog& catalog_;
  ChangeHandler& handler_;

  using RelationMap = absl::flat_hash_map<std::uint32_t, std::unique_ptr<CapturedRelation>>;
  RelationMap relations_;
  SentTypes sent_types_;
  StreamNames stream_names_;
  // Captured tables as the event triggers described them last, by oid.
  absl::flat_hash_map<std::uint32_t, TableDescription> told_;
  Lsn here_;  // of what is being decoded
  // Streams that were ended or begun anew on this connection: what was announced before may not be
  // the newest of its stream any more.
  std::uint64_t endings_ = 0;
  std::optional<StreamId> source_stream_;

  bool is_binary_ = false;
  std::string unreadable_;
  bool handler_failed_ = false;
  bool found_new_table_ = false;
  bool in_transaction_ = false;
  bool begun_ = false;  // handler_.begin was called: an origin may still follow the begin message
  Begin begin_;
  std::string origin_;
  Lsn origin_lsn_;  // of the commit there; 0: not sent
  std::string global_id_;
  std::uint32_t next_ordinal_ = 0;
  std::vector<HeldMessage> held_;  // messages of no transaction that came inside of one

  RowChange change_;
  EncodedRow old_row_;
  EncodedRow new_row_;
  std::string attributes_;
};

class ChangeDecoder::Relations {
 private:
  friend class ChangeDecoder;
  RelationMap map_;
};

}  // namespace tidelog::postgres
