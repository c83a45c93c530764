#include "connectors/mysql/change_decoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "connectors/mysql/charset.h"
#include "connectors/mysql/file_events.h"
#include "connectors/mysql/gtid_event.h"
#include "connectors/mysql/mariadb_gtid_event.h"
#include "connectors/mysql/system_databases.h"
#include "connectors/mysql/table_map.h"
#include "connectors/mysql/transaction_events.h"
#include "core/keyed_hash.h"

namespace tidelog::mysql {

namespace {

// A rows event of no table, which only ends a statement.
constexpr std::uint64_t no_table_id = 0xFF'FFFF;
// Between two transactions no table map is needed any more; so many are kept for those that come
// again.
constexpr std::size_t kept_tables_max = 10'000;
constexpr std::size_t shown_statement_bytes = 300;

constexpr std::string_view full_metadata =
    "the server logs rows without the names of their columns: SET GLOBAL binlog_row_metadata = "
    "FULL "
    "(MySQL 8.0.1 and later, MariaDB 10.5 and later); what it logged before cannot be read yet";

UnixMicros at_second(std::uint32_t seconds) { return {std::int64_t{seconds} * 1'000'000}; }

std::string shown(std::string_view statement) {
  if (statement.size() <= shown_statement_bytes) return std::string(statement);
  return std::string(statement.substr(0, shown_statement_bytes)) + "…";
}

// X'6774',X'6271',7: as both servers write it in XA COMMIT.
std::string print_xa_id(const XaId& id) {
  std::string text = "X'";
  put_hex(text, id.global);
  text += "',X'";
  put_hex(text, id.branch);
  return fmt::format("{}',{}", text, id.format);
}

std::string_view command_of(Statement::Kind kind) {
  switch (kind) {
    case Statement::Kind::truncate:
      return "TRUNCATE TABLE";
    case Statement::Kind::drop_table:
      return "DROP TABLE";
    case Statement::Kind::create_table:
      return "CREATE TABLE";
    case Statement::Kind::alter_table:
    case Statement::Kind::loses_rows:
      return "ALTER TABLE";
    case Statement::Kind::drop_database:
      return "DROP DATABASE";
    case Statement::Kind::rename_table:
      return "RENAME TABLE";
    case Statement::Kind::begin:
    case Statement::Kind::commit:
    case Statement::Kind::rollback:
    case Statement::Kind::savepoint:
    case Statement::Kind::rollback_savepoint:
    case Statement::Kind::xa_start:
    case Statement::Kind::xa_commit:
    case Statement::Kind::xa_rollback:
    case Statement::Kind::other_ddl:
    case Statement::Kind::temporary:
    case Statement::Kind::changes_rows:
      break;
  }
  return "";
}

bool has_all(std::string_view columns, const TableFormat& format) {
  for (std::size_t i = 0; i < format.columns.size(); ++i) {
    if (format.columns[i].stored && !has_column(columns, i)) return false;
  }
  return true;
}

}  // namespace

Result<ChangeDecoder> ChangeDecoder::open(MysqlResume resume, TableChoice captured,
                                          const Settings& settings, ChangeHandler& handler) {
  TRY(Executed executed, executed_of(resume));
  TRY(auto kept, handler.kept(resume.kept));
  ChangeDecoder decoder(std::move(resume), std::move(executed), std::move(captured), settings,
                        handler);
  for (auto& held : kept) {
    std::string id = held->about();
    decoder.prepared_[std::move(id)] = std::move(held);
  }
  return decoder;
}

ChangeDecoder::ChangeDecoder(MysqlResume resume, Executed executed, TableChoice captured,
                             const Settings& settings, ChangeHandler& handler)
    : resume_(std::move(resume)),
      executed_(std::move(executed)),
      choice_(std::move(captured)),
      settings_(settings),
      handler_(&handler),
      payload_(std::make_unique<PayloadReader>()) {}

// ---- events ----

Status ChangeDecoder::decode(const PlacedEvent& event) {
  if (event.event.header.type == EventType::transaction_payload) {
    TRY_DO(begin_payload(event));
    TRY_DO(add_to_payload(event.event.body));
    return end_payload();
  }
  place_.file = event.file;
  place_.offset = event.offset;
  end_offset_ = event.end_offset;
  return take(event.event);
}

Status ChangeDecoder::take(const Event& event) { return placed(dispatch(event)); }

// The handler's errors are of no place in the binlog.
Status ChangeDecoder::placed(Status done) const {
  if (done || handler_failed_) return done;
  std::string where = "binlog " + print_binlog_place(place_);
  if (group_ != Group::none && !open_.gtid.empty()) where += ", transaction " + open_.gtid;
  return fail_in(where, std::move(done).error());
}

Status ChangeDecoder::begin_payload(const PlacedEvent& event) {
  place_.file = event.file;
  place_.offset = event.offset;
  end_offset_ = event.end_offset;
  in_payload_ = InPayload::before_first_piece;
  has_ended_ = false;
  return {};
}

Status ChangeDecoder::add_to_payload(std::string_view piece) {
  const bool is_first = std::exchange(in_payload_, InPayload::yes) == InPayload::before_first_piece;
  if (is_first) {
    TRY_DO(placed(payload_->begin(piece)));
  } else {
    payload_->add(piece);
  }
  for (;;) {
    auto event = payload_->next();
    if (!event) return placed(tl::unexpected<Error>(std::move(event).error()));
    if (!*event) return {};
    TRY_DO(take(**event));
  }
}

// Only now its checksum was verified, so only now its transaction has come.
Status ChangeDecoder::end_payload() {
  in_payload_ = InPayload::no;
  TRY_DO(placed(payload_->end()));
  if (has_ended_) return finish();
  return placed(fail(Code::corrupt, "a transaction payload without its end"));
}

Status ChangeDecoder::dispatch(const Event& event) {
  if (is_rows_event(event.header.type)) return on_rows(event);
  switch (event.header.type) {
    case EventType::table_map:
      return on_table_map(event);
    case EventType::gtid:
    case EventType::anonymous_gtid:
    case EventType::gtid_tagged:
      return on_gtid(event);
    case EventType::mariadb_gtid:
      return on_mariadb_gtid(event);
    case EventType::query:
    case EventType::query_compressed:
      return on_query(event);
    case EventType::xid:
      TRY_DO(read_xid(event.body));
      return end_transaction();
    case EventType::xa_prepare:
      return on_xa_prepare(event);
    case EventType::format_description:
      return on_format(event);
    case EventType::rotate: {
      TRY(const Rotate rotate, read_rotate(event.body));
      return reached(std::string(rotate.file), rotate.offset);
    }
    case EventType::incident: {
      TRY(const Incident incident, read_incident(event.body));
      return fail(Code::history_lost,
                  fmt::format("the server says that something happened which its binlog does not "
                              "have: incident {}, {}",
                              incident.number, incident.message));
    }
    case EventType::execute_load_query:
      return fail(Code::unsupported,
                  "a LOAD DATA that was logged as a statement (binlog_format of its session was "
                  "not ROW): which rows it added is not known");
    // Of files, of the connection, or of statements that are judged by themselves.
    case EventType::stop:
    case EventType::intvar:
    case EventType::rand:
    case EventType::user_var:
    case EventType::begin_load_query:
    case EventType::append_block:
    case EventType::delete_file:
    case EventType::heartbeat:
    case EventType::heartbeat_v2:
    case EventType::ignorable:
    case EventType::rows_query:
    case EventType::annotate_rows:
    case EventType::previous_gtids:
    case EventType::transaction_context:
    case EventType::view_change:
    case EventType::binlog_checkpoint:
    case EventType::gtid_list:
      return {};
    case EventType::unknown:
    case EventType::start_v3:
    case EventType::load:
    case EventType::slave:
    case EventType::create_file:
    case EventType::exec_load:
    case EventType::new_load:
    case EventType::pre_ga_write_rows:
    case EventType::pre_ga_update_rows:
    case EventType::pre_ga_delete_rows:
    case EventType::write_rows_v1:
    case EventType::update_rows_v1:
    case EventType::delete_rows_v1:
    case EventType::write_rows:
    case EventType::update_rows:
    case EventType::delete_rows:
    case EventType::partial_update_rows:
    case EventType::transaction_payload:
    case EventType::start_encryption:
    case EventType::write_rows_compressed_v1:
    case EventType::update_rows_compressed_v1:
    case EventType::delete_rows_compressed_v1:
    case EventType::write_rows_compressed:
    case EventType::update_rows_compressed:
    case EventType::delete_rows_compressed:
    case EventType::partial_row_data:
      break;
  }
  if (event.header.is_ignorable()) return {};
  return fail(Code::unsupported, fmt::format("an event of the type {}, which is not followed here",
                                             static_cast<int>(event.header.type)));
}

// Of the file that the place is in: another file of its name is another history.
Status ChangeDecoder::on_format(const Event& event) {
  auto* const at = std::get_if<MysqlResume::Place>(&executed_);
  if (at == nullptr || at->place.file != place_.file) return {};
  const std::uint32_t begun = event.header.timestamp;
  if (at->file_time != 0 && at->file_time != begun) {
    return fail(Code::history_lost,
                fmt::format("the binlog {} was begun anew, at {}: what came behind {} in the one "
                            "that was read before is lost",
                            place_.file, begun, at->place.offset));
  }
  at->file_time = begun;
  set_executed(resume_, executed_);
  return {};
}

Status ChangeDecoder::reached(const std::string& file, std::uint64_t offset) {
  auto* const at = std::get_if<MysqlResume::Place>(&executed_);
  if (at == nullptr || in_transaction()) return {};
  if (at->place.file == file && at->place.offset >= offset) return {};
  if (at->place.file != file) at->file_time = 0;
  at->place = {file, offset};
  set_executed(resume_, executed_);
  return noted(handler_->progress(encode(resume_)));
}

// ---- transactions ----

Status ChangeDecoder::expect_no_transaction(std::string_view what) const {
  if (group_ == Group::none) return {};
  return fail(Code::corrupt, fmt::format("{} inside of a transaction, which has no end", what));
}

Status ChangeDecoder::open_group(Group group, Open open) {
  if (tables_.size() > kept_tables_max) tables_.clear();
  open_ = std::move(open);
  open_.place = place_;
  group_ = group;
  next_ordinal_ = 0;
  return {};
}

Status ChangeDecoder::on_gtid(const Event& event) {
  TRY(const GtidEvent read, read_gtid_event(event));
  TRY_DO(expect_no_transaction("a GTID"));
  Open open;
  open.time = read.commit.value_or(at_second(event.header.timestamp));
  if (read.gtid) {
    open.gtid = print_gtid(*read.gtid);
    open.id = *read.gtid;
  }
  if (std::holds_alternative<MariadbGtidPosition>(executed_))
    return fail(Code::corrupt, "a GTID of MySQL from a MariaDB");
  if (const auto* const set = std::get_if<GtidSet>(&executed_)) {
    if (!read.gtid) {
      return fail(Code::unsupported,
                  "a transaction without a GTID, though the source goes on by GTIDs: set gtid_mode "
                  "to ON again");
    }
    if (set->contains(*read.gtid)) {
      return fail(
          Code::corrupt,
          fmt::format("the server sent the transaction {} again, though it is stored", open.gtid));
    }
  }
  return open_group(Group::named, std::move(open));
}

Status ChangeDecoder::on_mariadb_gtid(const Event& event) {
  TRY(const MariadbGtidEvent read, read_mariadb_gtid_event(event));
  TRY_DO(expect_no_transaction("a GTID"));
  if (!std::holds_alternative<MariadbGtidPosition>(executed_))
    return fail(Code::corrupt, "a GTID of MariaDB from a MySQL");
  Open open;
  open.time = at_second(event.header.timestamp);
  open.gtid = print_gtid(read.gtid);
  open.id = read.gtid;
  open.is_only_start = read.alter == AlterPhase::start || read.alter == AlterPhase::rollback;
  if (read.xa != MariadbGtidEvent::Xa::none) open.xa_id = print_xa_id(read.xa_id);
  const bool is_one_event = read.is_standalone || read.xa == MariadbGtidEvent::Xa::complete;
  TRY_DO(open_group(is_one_event ? Group::named : Group::open, std::move(open)));
  return read.xa == MariadbGtidEvent::Xa::prepare ? begin_holding() : Status();
}

Status ChangeDecoder::begin_if_needed() {
  if (open_.is_begun) return {};
  open_.is_begun = true;
  const std::string position = open_.gtid.empty() ? encode(open_.place) : encode_gtid(open_.gtid);
  const std::string id = open_.gtid.empty() ? print_binlog_place(open_.place) : open_.gtid;
  Transaction transaction;
  transaction.id = id;
  transaction.commit_time = open_.time;
  transaction.position = position;
  transaction.global_id = open_.xa_id;
  return noted(handler_->begin(transaction));
}

Status ChangeDecoder::end_transaction() {
  if (group_ == Group::none) return fail(Code::corrupt, "an end outside of a transaction");
  if (const auto held = std::exchange(open_.held, nullptr)) TRY_DO(apply(*held));
  if (in_payload_ == InPayload::no) return finish();
  has_ended_ = true;
  return {};
}

Status ChangeDecoder::finish() {
  group_ = Group::none;
  if (auto* const at = std::get_if<MysqlResume::Place>(&executed_)) {
    at->place = {place_.file, end_offset_};
  } else if (auto* const set = std::get_if<GtidSet>(&executed_)) {
    set->add(std::get<Gtid>(open_.id));
  } else {
    std::get<MariadbGtidPosition>(executed_).set(std::get<MariadbGtid>(open_.id));
  }
  set_executed(resume_, executed_);
  const std::string resume = encode(resume_);
  TRY_DO(noted(open_.is_begun ? handler_->commit(resume) : handler_->progress(resume)));
  for (auto& held : ended_) handler_->release(std::move(held));
  ended_.clear();
  return {};
}

bool ChangeDecoder::lacks_end() const {
  return group_ != Group::none && !handler_failed_ && !open_.is_at_end &&
         in_payload_ == InPayload::no && std::holds_alternative<MysqlResume::Place>(executed_);
}

bool ChangeDecoder::pass_over(const PlacedEvent& event) {
  place_ = {std::string(event.file), event.offset};
  end_offset_ = event.end_offset;
  const EventType type = event.event.header.type;
  open_.is_at_end = type == EventType::xid || type == EventType::xa_prepare;
  if (type == EventType::query || type == EventType::query_compressed) {
    const auto query = read_query_event(event.event, inflated_);
    const auto kind = query ? read_statement(query->text, {}, false).kind : Statement::Kind::begin;
    open_.is_at_end = kind == Statement::Kind::commit || kind == Statement::Kind::rollback;
  }
  return open_.is_at_end;
}

std::optional<MysqlResume> ChangeDecoder::behind_open_transaction() const {
  if (group_ == Group::none || handler_failed_) return std::nullopt;
  Executed behind = executed_;
  if (auto* const set = std::get_if<GtidSet>(&behind)) {
    set->add(std::get<Gtid>(open_.id));
  } else if (auto* const position = std::get_if<MariadbGtidPosition>(&behind)) {
    position->set(std::get<MariadbGtid>(open_.id));
  } else if (open_.is_at_end || in_payload_ != InPayload::no) {
    std::get<MysqlResume::Place>(behind).place = {place_.file, end_offset_};
  } else {
    return std::nullopt;
  }
  MysqlResume resume = resume_;
  set_executed(resume, behind);
  return resume;
}

// ---- XA transactions ----

// What it changes is held as it came, until it is known how it ends.
Status ChangeDecoder::begin_holding() {
  if (open_.held) return {};
  TRY(open_.held, noted(handler_->hold()));
  return {};
}

Status ChangeDecoder::hold(const Event& event) {
  open_.holds_rows = true;
  const char type = static_cast<char>(event.header.type);
  return noted(open_.held->add(0, {&type, 1}, event.body));
}

// One that commits in one phase is like any other, at its end.
Status ChangeDecoder::on_xa_prepare(const Event& event) {
  open_.is_at_end = group_ != Group::none;
  TRY(const XaPrepare prepare, read_xa_prepare(event.body));
  if (prepare.is_one_phase) return end_transaction();
  if (group_ == Group::none) return fail(Code::corrupt, "an XA PREPARE outside of a transaction");
  TRY_DO(begin_holding());
  const std::string id = print_xa_id(prepare.id);
  TRY_DO(noted(handler_->keep(*open_.held, id)));
  resume_.kept.push_back(open_.held->id());
  auto& held = prepared_[id];
  if (held) end_held(std::move(held));
  held = std::exchange(open_.held, nullptr);
  return end_transaction();
}

// As if it all came now.
Status ChangeDecoder::apply(HeldTransaction& held) {
  Status applied = held.for_each([this](const HeldTransaction::Record& record) -> Status {
    if (record.bytes.empty()) return fail(Code::corrupt, "a held event without its type");
    Event event;
    event.header.type = static_cast<EventType>(record.bytes.front());
    event.body = record.bytes.substr(1);
    return event.header.type == EventType::table_map ? on_table_map(event) : on_rows(event);
  });
  return applied;
}

// It is forgotten once a position without it is stored.
void ChangeDecoder::end_held(std::unique_ptr<HeldTransaction> held) {
  std::erase(resume_.kept, held->id());
  ended_.push_back(std::move(held));
}

std::string ChangeDecoder::xa_id_of(std::string_view text, std::string_view verb) const {
  if (!open_.xa_id.empty()) return open_.xa_id;
  return std::string(text.substr(std::min(text.size(), verb.size())));
}

Status ChangeDecoder::on_xa_commit(std::string_view text) {
  const std::string id = xa_id_of(text, "XA COMMIT ");
  const auto found = prepared_.find(id);
  if (found == prepared_.end()) {
    return fail(Code::unsupported,
                fmt::format("XA COMMIT {}: it was prepared before the source began, and so what it "
                            "changed was not read; `tidelog source load` of the tables brings it "
                            "once it is passed over",
                            id));
  }
  auto held = std::move(found->second);
  prepared_.erase(found);
  open_.xa_id = id;
  group_ = Group::open;
  TRY_DO(apply(*held));
  end_held(std::move(held));
  return end_transaction();
}

// Of one that was prepared before the source began, nothing was read.
Status ChangeDecoder::on_xa_rollback(std::string_view text) {
  const auto found = prepared_.find(xa_id_of(text, "XA ROLLBACK "));
  if (found != prepared_.end()) {
    end_held(std::move(found->second));
    prepared_.erase(found);
  }
  return end_transaction();
}

// ---- statements ----

Status ChangeDecoder::on_query(const Event& event) {
  TRY(const QueryEvent query, read_query_event(event, inflated_));
  std::string_view text = query.text;
  if (!is_ascii(text) && query.client_collation) {
    TRY(const Charset* const charset, charset_of_collation(*query.client_collation));
    text_.clear();
    if (!charset->is_binary()) {
      TRY_DO(charset->append_utf8(text_, text));
      text = text_;
    }
  }
  const bool quotes_names = (query.sql_mode.value_or(0) & ansi_quotes_mode) != 0;
  Statement statement = read_statement(text, query.database, quotes_names);
  if (group_ == Group::none) {
    if (!std::holds_alternative<MysqlResume::Place>(executed_))
      return fail(Code::corrupt, "a statement outside of a transaction");
    // Of a server that has no GTIDs at all.
    Open open;
    open.time = at_second(event.header.timestamp);
    TRY_DO(open_group(Group::named, std::move(open)));
  }
  if (open_.is_only_start) return end_transaction();
  const bool is_alone = group_ == Group::named;
  open_.is_at_end = is_alone && statement.kind != Statement::Kind::begin &&
                    statement.kind != Statement::Kind::xa_start;
  switch (statement.kind) {
    case Statement::Kind::begin:
    case Statement::Kind::xa_start:
    case Statement::Kind::commit:
    case Statement::Kind::rollback:
    case Statement::Kind::savepoint:
    case Statement::Kind::rollback_savepoint:
    case Statement::Kind::xa_commit:
    case Statement::Kind::xa_rollback:
      return on_control(statement, text);
    case Statement::Kind::changes_rows:
      TRY_DO(on_rows_statement(statement, text));
      break;
    case Statement::Kind::truncate:
    case Statement::Kind::drop_table:
    case Statement::Kind::drop_database:
    case Statement::Kind::create_table:
    case Statement::Kind::alter_table:
    case Statement::Kind::loses_rows:
    case Statement::Kind::rename_table:
      TRY_DO(on_ddl(std::move(statement), text));
      break;
    case Statement::Kind::other_ddl:
    case Statement::Kind::temporary:
      break;
  }
  return is_alone ? end_transaction() : Status();
}

Status ChangeDecoder::on_control(const Statement& statement, std::string_view text) {
  using Kind = Statement::Kind;
  const Kind kind = statement.kind;
  if (kind == Kind::savepoint) return {};
  if (kind == Kind::rollback_savepoint) return on_rolled_back("ROLLBACK TO SAVEPOINT");
  if (kind == Kind::begin || kind == Kind::xa_start) {
    group_ = Group::open;
    return kind == Kind::xa_start ? begin_holding() : Status();
  }
  if (kind == Kind::xa_commit) return on_xa_commit(text);
  if (kind == Kind::xa_rollback) return on_xa_rollback(text);
  if (kind == Kind::rollback) TRY_DO(on_rolled_back("ROLLBACK"));
  return end_transaction();
}

// Servers log it when the transaction also changed tables that cannot be rolled back: which of the
// rows remain is then not told.
Status ChangeDecoder::on_rolled_back(std::string_view what) const {
  if (!open_.is_begun && !open_.holds_rows) return {};
  return fail(Code::unsupported,
              fmt::format("{} in a transaction that changed captured tables, some of which cannot "
                          "be rolled back: which of its changes remain is not told",
                          what));
}

bool ChangeDecoder::captures(std::string_view database, std::string_view table) const {
  return !is_system_database(database) && choice_.has(database, table);
}

bool ChangeDecoder::captures(const NamedTable& named) const {
  return captures(named.database, named.table);
}

bool ChangeDecoder::may_capture_in(std::string_view database) const {
  return !is_system_database(database) &&
         std::ranges::any_of(choice_.wanted, [&](const TablePattern& pattern) {
           return pattern.schema.matches(database);
         });
}

// Triggers and functions may change other tables than those that it names.
Status ChangeDecoder::on_rows_statement(const Statement& statement, std::string_view text) const {
  const bool is_of_system =
      !statement.tables.empty() &&
      std::ranges::all_of(statement.tables, is_system_database, &NamedTable::database);
  if (is_of_system) return {};
  return fail(
      Code::unsupported,
      fmt::format("a statement that was logged in place of the rows that it changed, which may be "
                  "of captured tables (binlog_format of its session was not ROW): {}",
                  shown(text)));
}

// As the server folds names; letters beyond ASCII it folds by rules of its own.
Status ChangeDecoder::fold_case(Statement& statement) const {
  if (!settings_.folds_case) return {};
  const auto fold = [](std::string& name) {
    if (!is_ascii(name)) return false;
    for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    return true;
  };
  bool is_done = fold(statement.database);
  for (NamedTable& named : statement.tables)
    is_done = fold(named.database) && fold(named.table) && is_done;
  if (is_done) return {};
  return fail(Code::unsupported,
              "DDL on a name that is not ASCII, of a server whose lower_case_table_names is not 0");
}

bool ChangeDecoder::concerns(const Statement& statement) const {
  if (statement.kind == Statement::Kind::drop_database) return may_capture_in(statement.database);
  return std::ranges::any_of(statement.tables,
                             [&](const NamedTable& named) { return captures(named); });
}

// The log does not tell such columns of a user from MariaDB's own, which are not kept.
Status ChangeDecoder::check_names(std::string_view text) const {
  if (settings_.flavour != Flavour::mariadb || !has_row_hash_name(text)) return {};
  return fail(Code::unsupported,
              fmt::format("a column of a name that MariaDB gives its hidden ones, {}: {}",
                          row_hash_prefix, shown(text)));
}

Status ChangeDecoder::on_ddl(Statement statement, std::string_view text) {
  TRY_DO(fold_case(statement));
  if (!concerns(statement)) return {};
  TRY_DO(check_names(text));
  if (statement.kind == Statement::Kind::drop_database) {
    for (const auto& known : handler_->known_tables(statement.database))
      statement.tables.push_back({known.schema.table_schema, known.schema.table});
  }
  TRY_DO(begin_if_needed());
  const std::uint32_t ordinal = next_ordinal_++;
  TRY_DO(emit_ddl(statement, text));
  if (statement.kind == Statement::Kind::rename_table) return rename(statement.tables, ordinal);
  for (const NamedTable& named : statement.tables) {
    if (captures(named)) TRY_DO(apply_ddl(statement, named, ordinal));
  }
  return {};
}

Status ChangeDecoder::apply_ddl(const Statement& statement, const NamedTable& named,
                                std::uint32_t ordinal) {
  using Kind = Statement::Kind;
  if (statement.kind == Kind::truncate) return truncate(named, ordinal);
  if (statement.kind == Kind::drop_table) return end_table(named, "the table was dropped", ordinal);
  if (statement.kind == Kind::drop_database)
    return end_table(named, "its database was dropped", ordinal);
  if (statement.kind == Kind::create_table) {
    if (statement.replaces) TRY_DO(end_table(named, "the table was replaced", ordinal));
    made_.insert(full_name(named));
  }
  if (statement.kind != Kind::loses_rows) return {};
  TRY_DO(end_table(named, "rows came or went, and the log does not say which", ordinal));
  return load_anew(named);
}

// Pairs of before and after, one after the other.
Status ChangeDecoder::rename(const std::vector<NamedTable>& tables, std::uint32_t ordinal) {
  for (std::size_t i = 0; i + 1 < tables.size(); i += 2) {
    const NamedTable& before = tables[i];
    const NamedTable& after = tables[i + 1];
    if (captures(before))
      TRY_DO(end_table(before, "the table was renamed to " + full_name(after), ordinal));
    if (captures(after)) TRY_DO(load_anew(after));
  }
  return {};
}

// It has rows that the stream did not bring.
Status ChangeDecoder::load_anew(const NamedTable& named) {
  TRY(const std::string name, stream_names_.take(named.database, named.table));
  made_.insert(full_name(named));  // its next row need not begin another load
  return noted(handler_->begin_load(name));
}

Status ChangeDecoder::emit_ddl(const Statement& statement, std::string_view text) {
  if (!source_stream_) {
    TRY(source_stream_, noted(handler_->source_stream()));
  }
  std::vector<std::string> names;
  for (const NamedTable& named : statement.tables) names.push_back(full_name(named));
  attributes_.clear();
  put_attribute(attributes_, Attribute::name, command_of(statement.kind));
  put_attribute(attributes_, Attribute::tables, put_names(names));
  EventBody event;
  event.type = tidelog::EventType::ddl;
  event.stream = *source_stream_;
  event.ordinal = next_ordinal_ - 1;
  event.body = text;
  event.attributes = attributes_;
  return noted(handler_->event(event));
}

// Also of a table of which nothing came yet: rows of it may be on their way from a load.
Status ChangeDecoder::truncate(const NamedTable& named, std::uint32_t ordinal) {
  TRY(const std::string name, stream_names_.take(named.database, named.table));
  EventBody event;
  event.type = tidelog::EventType::truncate;
  event.stream = handler_->stream_of(name);
  event.ordinal = ordinal;
  return noted(handler_->event(event));
}

Status ChangeDecoder::end_table(const NamedTable& named, std::string_view reason,
                                std::uint32_t ordinal) {
  TRY(const std::string name, stream_names_.take(named.database, named.table));
  const auto known = handler_->known_table(name);
  ++endings_;
  if (!known || known->schema.ended) return noted(handler_->end_load(name, reason));
  return noted(handler_->end_table(*known, reason, ordinal));
}

// ---- rows ----

Status ChangeDecoder::on_table_map(const Event& event) {
  if (group_ != Group::open) return fail(Code::corrupt, "a table map outside of a transaction");
  TRY(const std::uint64_t id, table_id_of(event.body));
  std::unique_ptr<MappedTable>& table = tables_[id];
  if (!table || table->map != event.body) {
    TRY(const TableName name, read_table_name(event.body));
    table = std::make_unique<MappedTable>();
    table->map = event.body;
    table->is_captured = captures(name.schema, name.table);
    if (table->is_captured) TRY_DO(describe(*table));
  }
  return table->is_captured && open_.held ? hold(event) : Status();
}

Status ChangeDecoder::describe(MappedTable& table) {
  TRY(const TableMap map, read_table_map(table.map, settings_.flavour));
  if (!map.sends_names() && !map.columns.empty()) {
    return fail(Code::misconfigured, fmt::format("table {}: {}", map.described(), full_metadata));
  }
  TRY(table.name, stream_names_.take(map.schema, map.table));
  TRY(table.format, format_of(map, nullptr, settings_.flavour));
  table.has_key = table.format.schema.has_key();
  for (const MappedColumn& column : map.columns) {
    table.is_large.push_back(column.type == ColumnType::blob ||
                             column.type == ColumnType::blob_compressed ||
                             column.type == ColumnType::geometry);
  }
  return {};
}

Status ChangeDecoder::announce(MappedTable& table) {
  TRY_DO(begin_if_needed());
  if (table.version && table.endings_before == endings_) return {};
  if (settings_.has_unmarked_tables && !made_.contains(table.name) &&
      !handler_->known_table(table.name)) {
    TRY_DO(noted(handler_->begin_load(table.name)));
  }
  TRY(table.version, noted(handler_->schema(table.name, table.format.schema)));
  table.endings_before = endings_;
  return {};
}

Status ChangeDecoder::on_rows(const Event& event) {
  if (group_ != Group::open) return fail(Code::corrupt, "rows outside of a transaction");
  TRY(const std::uint64_t id, table_id_of(event.body));
  const auto found = tables_.find(id);
  if (found == tables_.end()) {
    if (id == no_table_id) return {};
    return fail(Code::corrupt, fmt::format("rows of the table {}, which no table map names", id));
  }
  MappedTable& table = *found->second;
  if (!table.is_captured) return {};
  if (open_.held) return hold(event);
  TRY(const RowsEvent rows, read_rows_event(event.header.type, event.body, inflated_));
  TRY(RowsReader reader, RowsReader::open(rows, table.format, values_));
  TRY_DO(announce(table));
  const bool has_whole_before =
      rows.change != RowsChange::write && has_all(rows.before_columns, table.format);
  if (leaves_out_generated(table, rows)) {
    return fail(
        Code::unsupported,
        fmt::format("table {}: an update or delete without all values, which is how MariaDB "
                    "logs generated columns: what became of them is not told (leave the "
                    "table out with `except`)",
                    table.name));
  }
  while (!reader.at_end()) {
    TRY_DO(reader.next(before_, after_));
    TRY_DO(emit_row(table, rows.change, has_whole_before));
  }
  return {};
}

// Elsewhere what is not logged stayed as it was. MINIMAL leaves all but the key out of the row
// before, NOBLOB what is large, and MariaDB its generated columns.
bool ChangeDecoder::leaves_out_generated(const MappedTable& table, const RowsEvent& rows) const {
  if (settings_.flavour != Flavour::mariadb || rows.change == RowsChange::write) return false;
  if (settings_.partly_logged.contains(table.name)) return true;
  bool has_others = false;
  bool lacks_small = false;
  const std::vector<Column>& columns = table.format.schema.columns;
  for (std::size_t i = 0, column = 0; i < table.format.columns.size(); ++i) {
    if (!table.format.columns[i].stored) continue;
    const bool is_logged = has_column(rows.before_columns, i);
    has_others |= is_logged && !columns[column].key;
    lacks_small |= !is_logged && !table.is_large[i];
    ++column;
  }
  const bool lacks_new = rows.change == RowsChange::update &&
                         has_all(rows.before_columns, table.format) &&
                         !has_all(rows.after_columns, table.format);
  return lacks_new || (has_others && lacks_small);
}

Status ChangeDecoder::emit_row(const MappedTable& table, RowsChange change, bool has_whole_before) {
  EventBody event;
  event.stream = table.version->stream;
  event.schema = table.version->schema;
  event.ordinal = next_ordinal_++;
  if (change == RowsChange::write) {
    event.type = tidelog::EventType::insert;
    if (table.has_key) {
      TRY(event.key, after_.key(table.format.schema));
    }
    event.body = after_.row();
    return noted(handler_->event(event));
  }
  if (table.has_key) {
    TRY(event.key, before_.key(table.format.schema));
  }
  if (has_whole_before) {
    event.before_kind = Before::row;
    event.before = before_.row();
  } else if (table.has_key) {
    event.before_kind = Before::key;
    event.before = *event.key;
  } else {
    return fail(Code::unsupported,
                fmt::format("table {}: a row without a key was logged in part (set "
                            "binlog_row_image = FULL)",
                            table.name));
  }
  if (change == RowsChange::update) return emit_update(table, event);
  event.type = tidelog::EventType::remove;
  return noted(handler_->event(event));
}

// A row that gets another key leaves its old place and appears at a new one: two events of one
// ordinal.
Status ChangeDecoder::emit_update(const MappedTable& table, EventBody& event) {
  std::string_view new_key;
  if (table.has_key) {
    TRY(new_key, after_.key(table.format.schema));
  }
  if (!table.has_key || new_key == *event.key) {
    event.type = tidelog::EventType::update;
    event.body = after_.row();
    return noted(handler_->event(event));
  }
  event.moved = true;
  event.type = tidelog::EventType::remove;
  TRY_DO(noted(handler_->event(event)));
  event.type = tidelog::EventType::insert;
  event.before_kind = Before::key;
  event.before = *event.key;
  event.key = new_key;
  event.body = after_.row();
  return noted(handler_->event(event));
}

}  // namespace tidelog::mysql
