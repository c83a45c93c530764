#include "connectors/postgres/source.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "connectors/postgres/captured_tables.h"
#include "connectors/postgres/change_decoder.h"
#include "connectors/postgres/preflight.h"
#include "connectors/postgres/publication.h"
#include "connectors/postgres/relation_catalog.h"
#include "connectors/postgres/replica_identity.h"
#include "connectors/postgres/replication_stream.h"
#include "connectors/postgres/slot.h"
#include "connectors/postgres/table_list.h"
#include "connectors/postgres/table_reader.h"
#include "connectors/postgres/transaction_assembly.h"
#include "core/clock.h"
#include "core/source_position.h"

namespace tidelog {

namespace postgres {
namespace {

Result<std::optional<PostgresResume>> read_stored(std::string_view stored) {
  if (stored.empty()) return std::optional<PostgresResume>();
  auto resume = read_postgres_resume(stored);
  if (!resume) return fail_in("the source's stored position", resume.error());
  return std::optional(*std::move(resume));
}

// A savepoint made a table's file anew, and was rolled back: the server (18 at least) then fails to
// send the transaction in pieces, and sends it as a whole.
bool lost_its_place(const Error& error) {
  return error.what.find("could not map filenumber") != std::string::npos ||
         error.what.find("could not map filenode") != std::string::npos;
}

class PostgresSource : public Source {
 public:
  explicit PostgresSource(PostgresOptions options)
      : options_(std::move(options)), clock_(real_clock()), table_readers_(options_) {}

  Result<Next> prepare(std::string_view stored) override {
    replication_.reset();
    TRY(const std::optional<PostgresResume> resume, read_stored(stored));
    Preflight found = check_server(options_, resume, last_reader_);
    note_server(found);
    TRY_DO(first_error(found.findings));
    if (!found.identities.empty()) {
      const Status given = give_identities(found);
      // What was streamed so far can be streamed on; a table that is always busy must not end that.
      if (!given && last_reader_ == 0) return tl::unexpected<Error>(given.error());
      if (!given)
        warn_of({{Finding::Severity::warning, given.error().code, given.error().what, {}}});
      found = check_server(options_, resume, last_reader_);
      TRY_DO(first_error(found.findings));
    }
    warn_of(found.findings);
    choose_form(found);
    replication_ = std::move(found.replication);
    new_tables_ = std::move(found.new_tables);
    const bool streaming = resume && resume->phase == PostgresResume::Phase::streaming;
    leftover_slot_ = !streaming && found.slot.has_value();
    return streaming ? Next::stream : Next::begin;
  }

  std::string beginning_position() const override {
    return is_known_ ? encode(server_) : std::string();
  }

  Result<Begun> begin() override {
    TRY(Connection sql, Connection::open(options_, Connection::Kind::sql));
    if (std::exchange(leftover_slot_, false)) TRY_DO(drop_slot(sql, slot_name(options_)));
    if (owns_publication(options_)) TRY_DO(complete_publication(sql));
    TRY_DO(open_replication());
    PostgresResume resume = server_;
    resume.phase = PostgresResume::Phase::streaming;
    TRY(resume.end_lsn, make_slot(sql));
    resume.consistent = resume.end_lsn;
    replication_.reset();  // streaming takes a fresh connection
    Begun begun;
    begun.resume = encode(resume);
    TRY(const std::vector<CapturedTable> captured, find_captured_tables(sql, options_));
    for (const CapturedTable& table : captured) begun.tables.push_back(table.name);
    return begun;
  }

  Result<std::vector<Schema>> describe(const std::vector<std::string>& tables) override {
    TRY(Connection sql, Connection::open(options_, Connection::Kind::sql));
    return schemas_of(sql, options_, tables);
  }

  Status stream(std::string_view stored, ChangeHandler& handler, std::stop_token stop) override {
    behind_failure_.clear();
    TRY(const std::optional<PostgresResume> from, read_stored(stored));
    if (!from || from->phase != PostgresResume::Phase::streaming) {
      return fail(Code::misconfigured, "there is no position to stream from: nothing has begun");
    }
    TRY(TableChoice captured, captured_tables(options_));
    TRY_DO(open_replication());
    table_readers_.set_system_id(server_.system_id);
    Connection connection = *std::exchange(replication_, std::nullopt);
    last_reader_ = connection.process_id();
    PostgresResume resume = *from;
    resume.timeline = server_.timeline;
    resume.is_standby = server_.is_standby;
    SqlRelationCatalog catalog(options_);
    ChangeDecoder decoder(resume, std::move(captured), catalog, handler);
    if (reads_binary_) decoder.expect_binary();
    TransactionAssembly assembly(decoder, handler, options_.origins, stop);
    TRY_DO(assembly.go_on(resume));
    ReplicationStream stream(connection, assembly, handler, *clock_, waker_);
    const Status ended =
        stream.run({slot_name(options_), publication_name(options_), from->end_lsn,
                    options_.status_interval, whole_until_, options_.two_phase,
                    options_.origins == Origins::none, reads_binary_, owns_publication(options_)},
                   stop);
    if (stop.stop_requested()) return ended;
    if (ended) return change_sending(assembly);
    if (!decoder.unreadable().empty())
      return go_on_as_text(decoder.unreadable() + ", whose values are not read in binary form");
    if (stream.server_failed() && !whole_until_ && lost_its_place(ended.error()))
      return read_whole_from_here(ended.error());
    if (const auto behind = assembly.behind_failure()) behind_failure_ = encode(*behind);
    if (!stream.server_failed()) return ended;
    const std::string durable = handler.durable();
    return judge(ended, durable.empty() ? stored : durable);
  }

  std::string behind_failure() const override { return behind_failure_; }

  Result<std::vector<std::string>> new_tables() override {
    std::vector<std::string> names;
    for (const DatabaseTable& table : new_tables_) names.push_back(name_of(table));
    return names;
  }

  Status capture(const std::vector<std::string>& tables) override {
    std::vector<DatabaseTable> wanted = new_tables_;
    std::erase_if(wanted, [&](const DatabaseTable& table) {
      return std::ranges::count(tables, name_of(table)) == 0;
    });
    if (wanted.empty()) return {};
    TRY(Connection sql, Connection::open(options_, Connection::Kind::sql));
    const auto added = sql.command(add_tables_sql(publication_name(options_), published(wanted)));
    if (added) return {};
    TRY(const std::vector<DatabaseTable> all, list_tables(sql));
    for (const DatabaseTable& table : wanted) {
      const bool is_there = std::ranges::any_of(
          all, [&](const DatabaseTable& one) { return name_of(one) == name_of(table); });
      if (is_there) continue;
      return fail(Code::unavailable,
                  "the table " + name_of(table) + " was dropped while it was to be published");
    }
    return tl::unexpected<Error>(added.error());
  }

  TableReaders& table_readers() override { return table_readers_; }
  void wake() override { waker_.wake(); }

 private:
  void note_server(const Preflight& found) {
    is_known_ = found.system_id != 0;
    server_ = {
        PostgresResume::Phase::beginning, found.system_id, found.timeline, {}, slot_name(options_)};
    server_.is_standby = found.is_standby;
  }

  // What more there is to be looked at depends on them.
  Status give_identities(Preflight& found) {
    found.replication.reset();
    TRY(Connection sql, Connection::open(options_, Connection::Kind::sql));
    return set_identities(sql, found.identities);
  }

  void warn_of(const std::vector<Finding>& findings) const {
    if (!options_.on_warning) return;
    for (const Finding& finding : findings) {
      if (finding.severity != Finding::Severity::fine) options_.on_warning(finding);
    }
  }

  // The server ended the stream for a reason that no other try mends: a look at it says whether the
  // slot and the history are lost.
  Status judge(const Status& ended, std::string_view stored) {
    if (ended.error().code != Code::misconfigured) return ended;
    TRY(const std::optional<PostgresResume> resume, read_stored(stored));
    const Preflight found = check_server(options_, resume, last_reader_);
    note_server(found);
    TRY_DO(first_error(found.findings));
    if (!reads_binary_) return ended;
    // It does not send what has elements or fields that have no binary form.
    return go_on_as_text("the server does not go on in binary form (" + ended.error().what + ")");
  }

  // Binary, when that is asked for, and nothing that cannot be read so is known to come.
  void choose_form(const Preflight& found) {
    reads_binary_ = options_.binary && !found.as_text && !met_unreadable_;
    if (found.as_text && !std::exchange(told_as_text_, true)) warn_of({*found.as_text});
  }

  // What is not stored yet is sent again. The same might come with every transaction, so it stays
  // like that for as long as this source runs.
  Status go_on_as_text(const std::string& reason) {
    reads_binary_ = false;
    met_unreadable_ = true;
    std::string what = reason + ": from here on the whole source is read as text";
    if (!std::exchange(told_as_text_, true))
      warn_of({{Finding::Severity::warning, Code::unsupported, what, ""}});
    return fail(Code::unavailable, std::move(what));
  }

  // The next connection is another kind of stream.
  Status change_sending(const TransactionAssembly& assembly) {
    if (!assembly.read_whole_until() && assembly.found_new_table())
      return fail(Code::unavailable, "a table was made that is captured: it is looked at anew");
    whole_until_ = assembly.read_whole_until();
    if (!whole_until_)
      return fail(Code::unavailable, "from here on transactions are read in pieces again");
    return fail(Code::unavailable,
                fmt::format("a transaction that was sent in pieces has logical messages and "
                            "savepoints that were rolled back, and does not tell which message was "
                            "of which: it is read again as a whole, up to {}",
                            print_lsn(*whole_until_)));
  }

  // Until all is passed that there is by now; the transaction may still be in progress then.
  Status read_whole_from_here(const Error& error) {
    TRY(Connection sql, Connection::open(options_, Connection::Kind::sql));
    TRY(whole_until_, end_of_log(sql));
    return fail(Code::unavailable,
                fmt::format("the server cannot send a transaction in pieces ({}): it is read as a "
                            "whole, up to {}",
                            error.what, print_lsn(*whole_until_)));
  }

  // Every connection is made sure to be the server that prepare has seen.
  Status open_replication() {
    if (replication_ && replication_->usable()) return {};
    TRY(Connection connection, Connection::open(options_, Connection::Kind::replication));
    TRY(const QueryResult identity, connection.command("IDENTIFY_SYSTEM"));
    const std::string expected = std::to_string(server_.system_id);
    if (identity.text(0, 0) != expected ||
        identity.text(0, 1) != std::to_string(server_.timeline)) {
      return fail(
          Code::unavailable,
          fmt::format("the server changed: system id {}, timeline {} instead of {}, {}",
                      identity.text(0, 0), identity.text(0, 1), expected, server_.timeline));
    }
    replication_ = std::move(connection);
    return {};
  }

  static std::string name_of(const DatabaseTable& table) { return table.schema + "." + table.name; }

  // Publication first, then slot: pgoutput reads the catalog as it was where the slot begins.
  Status complete_publication(Connection& sql) {
    const std::string name = publication_name(options_);
    TRY(const TableChoice choice, parse_table_choice(options_.tables, options_.except));
    TRY(const std::vector<DatabaseTable> all, list_tables(sql));
    std::vector<DatabaseTable> wanted = select_tables(all, choice).tables;
    TRY(const std::optional<Publication> existing, find_publication(sql, name));
    if (existing) {
      std::erase_if(wanted,
                    [&](const DatabaseTable& t) { return existing->has(t.schema, t.name); });
    }
    if (wanted.empty()) return {};
    TRY_DO(sql.command(existing ? add_tables_sql(name, published(wanted))
                                : create_publication_sql(name, published(wanted))));
    return {};
  }

  Result<Lsn> make_slot(Connection& sql) {
    auto slot = create_slot(*replication_, slot_name(options_), options_.slot_creation_wait);
    if (slot || slot.error().code != Code::timeout) return slot;
    replication_.reset();
    TRY(const std::string holder, oldest_transaction(sql));
    return fail(Code::timeout,
                fmt::format("the slot waits for transactions that were open before it to end{}{}",
                            holder.empty() ? "" : "; the oldest is of ", holder));
  }

  PostgresOptions options_;
  std::unique_ptr<Clock> clock_;
  PostgresTableReaders table_readers_;
  Waker waker_;
  PostgresResume server_;  // the server that prepare has seen, as a position before any
  bool is_known_ = false;
  std::vector<DatabaseTable> new_tables_;  // as prepare has found them
  std::optional<Connection> replication_;  // idle
  bool leftover_slot_ = false;             // made by a run that did not come further
  std::int64_t last_reader_ = 0;           // process id of our last walsender
  std::optional<Lsn> whole_until_;         // see TransactionAssembly::read_whole_until
  std::string behind_failure_;
  bool reads_binary_ = false;
  bool met_unreadable_ = false;  // in the stream
  bool told_as_text_ = false;
};

}  // namespace
}  // namespace postgres

std::unique_ptr<Source> postgres_source(PostgresOptions options) {
  return std::make_unique<postgres::PostgresSource>(std::move(options));
}

Result<std::vector<Finding>> check_postgres(const PostgresOptions& options,
                                            std::string_view stored) {
  TRY(const std::optional<PostgresResume> resume, postgres::read_stored(stored));
  PostgresOptions without_waiting = options;
  without_waiting.slot_wait = std::chrono::milliseconds{0};
  postgres::Preflight found = postgres::check_server(without_waiting, resume, 0);
  if (found.as_text) found.findings.push_back(*std::move(found.as_text));
  return std::move(found.findings);
}

}  // namespace tidelog
