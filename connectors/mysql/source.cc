#include "connectors/mysql/source.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "connectors/mysql/binlog_dump.h"
#include "connectors/mysql/change_decoder.h"
#include "connectors/mysql/dump_request.h"
#include "connectors/mysql/event_stream.h"
#include "connectors/mysql/executed.h"
#include "connectors/mysql/preflight.h"
#include "connectors/mysql/table_reader.h"
#include "connectors/socket/wait.h"
#include "core/source_position.h"

namespace tidelog {

namespace mysql {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// How long we sleep without looking whether something is to be made durable.
constexpr milliseconds rest_max{1'000};
// Heartbeats come once a second: a server that is silent for so long is none any more.
constexpr std::chrono::seconds silence_max{60};

Result<std::optional<MysqlResume>> read_stored(std::string_view stored) {
  if (stored.empty()) return std::optional<MysqlResume>();
  auto resume = read_mysql_resume(stored);
  if (!resume) return fail_in("the source's stored position", resume.error());
  return std::optional(*std::move(resume));
}

// The loop that reads the dump: events in, changes to the handler. One thread.
class DumpReader {
 public:
  DumpReader(BinlogDump dump, const DumpStart& start, ChangeDecoder& decoder,
             ChangeHandler& handler, Waker& waker)
      : dump_(std::move(dump)),
        events_(dump_, continuity_of(start), false),
        decoder_(decoder),
        handler_(handler),
        waker_(waker),
        heard_(steady_clock::now()) {}

  // Until stop (returns ok) or an error.
  Status run(const StopSignal& stop) {
    while (!stop.requested()) {
      TRY(const Arrival arrival, events_.next());
      if (arrival == Arrival::event) {
        TRY_DO(take(stop));
      } else {
        TRY_DO(rest(stop));
      }
    }
    return {};
  }

  // After an error: on to the end of the transaction that it was in, if that comes soon.
  void pass_over(const StopSignal& stop) {
    const auto begun = steady_clock::now();
    while (decoder_.lacks_end() && !stop.requested() && steady_clock::now() - begun < silence_max) {
      const auto arrival = events_.next();
      if (!arrival) return;
      if (*arrival == Arrival::event) {
        decoder_.pass_over(events_.event());
      } else {
        wait_for_socket(dump_.socket(), Direction::read, rest_max, stop);
      }
    }
  }

 private:
  Status take(const StopSignal& stop) {
    is_quiet_ = false;
    const PlacedEvent& event = events_.event();
    if (!event.is_whole) return take_payload(event, stop);
    const EventType type = event.event.header.type;
    if (type != EventType::heartbeat && type != EventType::heartbeat_v2)
      return decoder_.decode(event);
    return decoder_.reached(events_.check().file(), events_.check().offset());
  }

  Status take_payload(const PlacedEvent& event, const StopSignal& stop) {
    TRY_DO(decoder_.begin_payload(event));
    while (!stop.requested()) {
      TRY(const std::optional<std::string_view> piece, events_.next_piece());
      if (piece) {
        is_quiet_ = false;
        TRY_DO(decoder_.add_to_payload(*piece));
      } else if (events_.is_over()) {
        return decoder_.end_payload();
      } else {
        TRY_DO(rest(stop));
      }
    }
    return {};
  }

  // Nothing has come.
  Status rest(const StopSignal& stop) {
    const auto now = steady_clock::now();
    if (!std::exchange(is_quiet_, true)) heard_ = now;
    if (now - heard_ > silence_max) {
      return fail(Code::unavailable,
                  fmt::format("the server sent nothing for {} s", silence_max.count()));
    }
    TRY_DO(handler_.idle());
    wait_for_socket(dump_.socket(), Direction::read, rest_max, stop, &waker_);
    waker_.forget();
    return {};
  }

  BinlogDump dump_;
  EventStream events_;
  ChangeDecoder& decoder_;
  ChangeHandler& handler_;
  Waker& waker_;
  steady_clock::time_point heard_;
  bool is_quiet_ = false;  // nothing came since `heard_`
};

class MysqlSource final : public Source {
 public:
  explicit MysqlSource(MysqlOptions options)
      : options_(std::move(options)), table_readers_(options_) {}

  Result<Next> prepare(std::string_view stored) override {
    TRY(const std::optional<MysqlResume> resume, read_stored(stored));
    found_ = check_server(options_, resume);
    TRY_DO(first_error(found_.findings));
    if (options_.on_warning) {
      for (const Finding& finding : found_.findings) {
        if (finding.severity == Finding::Severity::warning) warn_of(finding);
      }
    }
    const bool is_streaming = resume && resume->phase == MysqlResume::Phase::streaming;
    return is_streaming ? Next::stream : Next::begin;
  }

  std::string beginning_position() const override {
    return found_.server ? encode(*found_.server) : std::string();
  }

  // Nothing is kept for us on the server.
  Result<Begun> begin() override {
    MysqlResume resume = *found_.server;
    resume.phase = MysqlResume::Phase::streaming;
    set_executed(resume, *found_.newest);
    Begun begun;
    begun.resume = encode(resume);
    StreamNames names;
    for (const NamedTable& named : found_.tables) {
      TRY(std::string name, names.take(named.database, named.table));
      begun.tables.push_back(std::move(name));
    }
    return begun;
  }

  Result<std::vector<Schema>> describe(const std::vector<std::string>& tables) override {
    const StopSignal signal(options_.stop);
    TRY(Connection connection, Connection::open(options_.connection, signal));
    return describe_tables(connection, options_, tables, signal);
  }

  Status stream(std::string_view stored, ChangeHandler& handler, std::stop_token stop) override {
    behind_failure_.clear();
    TRY(const std::optional<MysqlResume> resume, read_stored(stored));
    if (!resume || resume->phase != MysqlResume::Phase::streaming) {
      return fail(Code::misconfigured, "there is no position to stream from: nothing has begun");
    }
    const StopSignal signal(std::move(stop));
    const Status ended = stream_from(*resume, handler, signal);
    return signal.requested() && !ended && ended.error().code == Code::cancelled ? Status() : ended;
  }

  std::string behind_failure() const override { return behind_failure_; }

  // Every table of the server comes by itself; which are captured is decided here.
  Result<std::vector<std::string>> new_tables() override { return std::vector<std::string>(); }
  Status capture(const std::vector<std::string>& /*tables*/) override { return {}; }

  TableReaders& table_readers() override { return table_readers_; }
  void wake() override { waker_.wake(); }

 private:
  // Each warning once, not with every connection.
  void warn_of(const Finding& finding) {
    if (std::ranges::find(warned_, finding.what) != warned_.end()) return;
    warned_.push_back(finding.what);
    options_.on_warning(finding);
  }

  Status stream_from(const MysqlResume& resume, ChangeHandler& handler, const StopSignal& stop) {
    TRY(Connection connection, Connection::open(options_.connection, stop));
    TRY(const std::string identity, identity_of(connection, stop));
    if (identity != resume.server) {
      return fail(Code::unavailable,
                  fmt::format("the server changed: {} instead of {}", identity, resume.server));
    }
    table_readers_.set_stream(resume);
    TRY(TableChoice choice, parse_table_choice(options_.tables, options_.except));
    const ChangeDecoder::Settings settings{connection.version().flavour, found_.folds_case,
                                           resume.tables != hash_of_tables(options_),
                                           found_.partly_logged};
    TRY(ChangeDecoder decoder, ChangeDecoder::open(resume, std::move(choice), settings, handler));
    TRY(const Executed executed, executed_of(resume));
    const DumpRequest request{server_id_of(options_), reader_name(options_), start_of(executed)};
    TRY(BinlogDump dump, begin_dump(std::move(connection), request, stop));
    DumpReader reader(std::move(dump), request.start, decoder, handler, waker_);
    Status ended = reader.run(stop);
    if (ended || action_for(ended.error().code) == Action::retry) return ended;
    reader.pass_over(stop);
    const std::optional<MysqlResume> behind = decoder.behind_open_transaction();
    if (!behind) return ended;
    behind_failure_ = encode(*behind);
    Error error = std::move(ended).error();
    error.what +=
        fmt::format("; `tidelog source skip {}` leaves this transaction out", options_.name);
    return tl::unexpected<Error>(std::move(error));
  }

  MysqlOptions options_;
  MysqlTableReaders table_readers_;
  Waker waker_;
  Preflight found_;  // as prepare has found it
  std::vector<std::string> warned_;
  std::string behind_failure_;
};

}  // namespace
}  // namespace mysql

std::unique_ptr<Source> mysql_source(MysqlOptions options) {
  return std::make_unique<mysql::MysqlSource>(std::move(options));
}

Result<std::vector<Finding>> check_mysql(const MysqlOptions& options, std::string_view stored) {
  TRY(const std::optional<MysqlResume> resume, mysql::read_stored(stored));
  return mysql::check_server(options, resume).findings;
}

}  // namespace tidelog
