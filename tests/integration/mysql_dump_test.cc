// How the binlog comes over the wire, from real servers.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>

#include "connectors/mysql/server_binlog.h"
#include "connectors/mysql/start_at_time.h"
#include "tests/integration/mysql_dump.h"

namespace tidelog::testing {
namespace {

using namespace tidelog::mysql;

// A bit of everything, in two files.
void make_events(MysqlServer& server) {
  server.sql(
      "create database shop; create table shop.t (a int primary key, b text);"
      "insert into shop.t values (1, 'one'), (2, null); update shop.t set b = 'two' where a = 2;"
      "begin; delete from shop.t where a = 1; insert into shop.t values (3, repeat('x', 20000));"
      "commit; flush binary logs;"
      "xa start 'x1'; insert into shop.t values (4, 'four'); xa end 'x1'; xa prepare 'x1';"
      "xa commit 'x1'; alter table shop.t add column c int; insert into shop.t values (5, '', 5)");
}

std::vector<std::string> files_of(MysqlServer& server) {
  std::vector<std::string> files;
  for (const auto& row : server.sql("show binary logs")) files.push_back(row.at(0));
  return files;
}

// MariaDB writes these when it finds the time.
bool is_checkpoint(std::string_view type) { return type == "Binlog_checkpoint"; }

// What the server says that its binlog has.
std::vector<DumpedEvent> told_by(MysqlServer& server) {
  std::vector<DumpedEvent> events;
  for (const std::string& file : files_of(server)) {
    for (const auto& row : server.sql("show binlog events in '" + file + "'")) {
      if (is_checkpoint(row.at(2))) continue;
      events.push_back({row.at(0), number_in(row.at(1)), row.at(2)});
    }
  }
  return events;
}

// What a dump sends of files, until its end.
std::vector<DumpedEvent> sent_by(Dump& dump) {
  std::vector<DumpedEvent> events;
  while (const PlacedEvent* event = dump.next()) {
    const std::string_view type = name_of(event->event.header.type);
    if (event->offset == event->end_offset || is_checkpoint(type)) continue;
    events.push_back({std::string(event->file), event->offset, std::string(type)});
  }
  if (dump.error()) throw std::runtime_error(dump.error()->what);
  return events;
}

std::vector<DumpedEvent> sent_to(const ConnectionOptions& options, DumpStart start) {
  Dump dump(connect(options), request_from(std::move(start)));
  if (dump.error()) throw std::runtime_error(dump.error()->what);
  return sent_by(dump);
}

void check_same(const std::vector<DumpedEvent>& sent, const std::vector<DumpedEvent>& told) {
  const auto print = [](const std::vector<DumpedEvent>& events) {
    std::string text;
    for (const DumpedEvent& event : events)
      text += fmt::format("{} {} {}\n", event.file, event.offset, event.type);
    return text;
  };
  CHECK(print(sent) == print(told));
}

std::vector<DumpedEvent> from(const std::vector<DumpedEvent>& events, std::size_t index) {
  return {events.begin() + static_cast<std::ptrdiff_t>(index), events.end()};
}

// What a transaction is made of, in any file.
std::vector<DumpedEvent> of_transactions(std::vector<DumpedEvent> events) {
  std::erase_if(events, [](const DumpedEvent& event) {
    return event.type == "Format_desc" || event.type == "Previous_gtids" ||
           event.type == "Gtid_list" || event.type == "Binlog_checkpoint" ||
           event.type == "Rotate" || event.type == "Stop";
  });
  return events;
}

void check_by_place(MysqlServer& server, const std::vector<DumpedEvent>& told) {
  ConnectionOptions options = connection_to(server);
  options.tls.mode = TlsMode::disabled;
  check_same(sent_to(options, BinlogPlace{"binlog.000001"}), told);
  const std::string& number = server.version().number;
  const bool has_tls = number == "8.0" || number == "9.7" || number == "11.8";
  if (has_tls) {
    options.tls.mode = TlsMode::preferred;
    CHECK(connect(options).is_encrypted());
    options.tls.mode = TlsMode::required;
    check_same(sent_to(options, BinlogPlace{"binlog.000001"}), told);
  }
  options.socket = server.socket();
  check_same(sent_to(options, BinlogPlace{"binlog.000001"}), told);
  const std::size_t middle = told.size() / 3;
  check_same(sent_to(options, BinlogPlace{told[middle].file, told[middle].offset}),
             from(told, middle));
}

void check_by_gtids(MysqlServer& server, const std::vector<DumpedEvent>& told) {
  const ConnectionOptions options = connection_to(server);
  const std::vector<DumpedEvent> transactions = of_transactions(told);
  Connection connection = connect(options);
  const std::stop_source stop;
  const StopSignal signal(stop.get_token());
  const Result<DumpStart> oldest = oldest_start(connection, signal);
  REQUIRE(oldest);
  CHECK_FALSE(std::holds_alternative<BinlogPlace>(*oldest));
  check_same(of_transactions(sent_to(options, *oldest)), transactions);
  const Result<DumpStart> newest = newest_start(connection, signal);
  REQUIRE(newest);
  CHECK(of_transactions(sent_to(options, *newest)).empty());
  // Without the last transaction.
  DumpStart before = *newest;
  if (auto* const position = std::get_if<MariadbGtidPosition>(&before)) {
    MariadbGtid last = position->domains().at(0);
    --last.sequence;
    position->set(last);
  } else {
    const auto& [source, intervals] = *std::get<GtidSet>(*newest).sources().begin();
    GtidSet set;
    set.add(source, {1, intervals.at(0).last - 1});
    before = set;
  }
  std::size_t last = transactions.size() - 1;
  while (transactions[last].type != "Gtid") --last;
  check_same(of_transactions(sent_to(options, before)), from(transactions, last));
}

// Waits at the end: heartbeats, then what happens.
void check_waiting(MysqlServer& server) {
  Connection other = connect(connection_to(server));
  const std::stop_source stop;
  const StopSignal signal(stop.get_token());
  DumpRequest request = request_from(*newest_start(other, signal));
  request.stops_at_end = false;
  Dump dump(connect(connection_to(server)), request);
  const auto wait_for = [&](std::string_view type) {
    for (int i = 0; i < 1'000; ++i) {
      const PlacedEvent* const event = dump.next();
      if (event == nullptr) return false;
      if (name_of(event->event.header.type) == type) return true;
    }
    return false;
  };
  CHECK(wait_for("Heartbeat"));
  CHECK(wait_for("Heartbeat"));
  server.sql("insert into shop.t (a) values (100)");
  CHECK(wait_for("Xid"));
  CHECK(wait_for("Heartbeat"));
  CHECK(*reader_with(other, our_server_id, signal) == "tidelog test");
  CHECK_FALSE(*reader_with(other, our_server_id - 1, signal));
  server.sql("flush binary logs; insert into shop.t (a) values (101)");
  CHECK(wait_for("Xid"));
  // The place is the server's own, after all of that.
  CHECK(eventually(soon, [&] {
    const BinlogFile last = list_binlogs(other, signal)->back();
    return wait_for("Heartbeat") && dump.stream().check().file() == last.name &&
           dump.stream().check().offset() == last.bytes;
  }));
  server.sql("kill " + std::to_string(dump.dump().connection().id()));
  CHECK_FALSE(wait_for("Xid"));
  REQUIRE(dump.error());
  CHECK(dump.error()->code == Code::unavailable);
}

TEST_CASE("binlog dump: every server sends what it tells that it has, from any start") {
  for (const MysqlVersion& version : mysql_versions()) {
    CAPTURE(version.text());
    MysqlServer server(version);
    make_events(server);
    const std::vector<DumpedEvent> told = told_by(server);
    CHECK(told.size() > 40);
    check_by_place(server, told);
    check_by_gtids(server, told);
    check_waiting(server);
  }
}

// The server's clock, in whole seconds.
std::int64_t seconds_of(MysqlServer& server) {
  return static_cast<std::int64_t>(number_in(server.sql("select unix_timestamp()").at(0).at(0)));
}

TEST_CASE("binlog dump: from a time on, it begins with the file that was the last before") {
  for (const MysqlVersion& version :
       {MysqlVersion{"mysql", "8.0"}, MysqlVersion{"mariadb", "11.8"}}) {
    CAPTURE(version.text());
    MysqlServer server(version);
    server.sql("create database shop; create table shop.t (a int)");
    std::vector<std::int64_t> opened = {seconds_of(server)};
    for (int file = 2; file <= 3; ++file) {
      server.sql("insert into shop.t values (" + std::to_string(file) + ")");
      REQUIRE(eventually(soon, [&] { return seconds_of(server) >= opened.back() + 1; }));
      server.sql("flush binary logs");
      opened.push_back(seconds_of(server));
    }
    server.sql("insert into shop.t values (5)");
    const std::vector<DumpedEvent> transactions = of_transactions(told_by(server));
    const std::stop_source stop;
    const StopSignal signal(stop.get_token());
    const auto start_at = [&](std::int64_t seconds) {
      return start_at_time(connection_to(server), our_server_id, "tidelog test",
                           UnixMicros{seconds * 1'000'000}, signal);
    };
    for (std::size_t file = 1; file < opened.size(); ++file) {
      CAPTURE(file);
      const Result<DumpStart> start = start_at(opened[file] + 1);
      if (!start) FAIL(start.error().what);
      CHECK_FALSE(std::holds_alternative<BinlogPlace>(*start));
      const auto first =
          std::find_if(transactions.begin(), transactions.end(), [&](const DumpedEvent& event) {
            return event.file == "binlog.00000" + std::to_string(file + 1);
          });
      check_same(of_transactions(sent_to(connection_to(server), *start)),
                 {first, transactions.end()});
    }
    CHECK(start_at(opened[0] - 100).error().code == Code::history_lost);
  }
}

}  // namespace
}  // namespace tidelog::testing
