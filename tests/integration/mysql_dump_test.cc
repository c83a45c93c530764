// How the binlog comes over the wire, from real servers.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include "tests/integration/mysql_dump.h"

namespace tidelog::testing {
namespace {

using namespace tidelog::mysql;

constexpr std::uint32_t our_server_id = 4'000'000'000;

Connection connect(const ConnectionOptions& options) {
  const std::stop_source stop;
  const StopSignal signal(stop.get_token());
  Result<Connection> opened = Connection::open(options, signal);
  if (!opened) throw std::runtime_error(opened.error().what);
  return *std::move(opened);
}

DumpRequest request_from(DumpStart start) {
  return {.server_id = our_server_id,
          .name = "tidelog test",
          .start = std::move(start),
          .heartbeat = Duration(100),
          .stops_at_end = true};
}

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

// What the server says that its binlog has.
std::vector<DumpedEvent> told_by(MysqlServer& server) {
  std::vector<DumpedEvent> events;
  for (const std::string& file : files_of(server)) {
    for (const auto& row : server.sql("show binlog events in '" + file + "'"))
      events.push_back({row.at(0), number_in(row.at(1)), row.at(2)});
  }
  return events;
}

// What a dump sends of files, until its end.
std::vector<DumpedEvent> sent_by(Dump& dump) {
  std::vector<DumpedEvent> events;
  while (const PlacedEvent* event = dump.next()) {
    if (event->offset == event->end_offset) continue;
    events.push_back(
        {std::string(event->file), event->offset, std::string(name_of(event->event.header.type))});
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

TEST_CASE("binlog dump: every server sends what it tells that it has, on every connection") {
  for (const MysqlVersion& version : mysql_versions()) {
    CAPTURE(version.text());
    MysqlServer server(version);
    make_events(server);
    const std::vector<DumpedEvent> told = told_by(server);
    CHECK(told.size() > 40);
    ConnectionOptions options = connection_to(server);
    options.tls.mode = TlsMode::disabled;
    check_same(sent_to(options, BinlogPlace{"binlog.000001"}), told);
    const bool has_tls =
        version.number != "10.11" && version.number != "5.7" && version.number != "11.4";
    if (has_tls) {
      options.tls.mode = TlsMode::required;
      CHECK(connect(options).is_encrypted());
      check_same(sent_to(options, BinlogPlace{"binlog.000001"}), told);
    }
    options.socket = server.socket();
    check_same(sent_to(options, BinlogPlace{"binlog.000001"}), told);
    // From the midst of a file.
    const DumpedEvent& middle = told.at(told.size() / 3);
    check_same(sent_to(options, BinlogPlace{middle.file, middle.offset}),
               {told.begin() + static_cast<std::ptrdiff_t>(told.size() / 3), told.end()});
  }
}

}  // namespace
}  // namespace tidelog::testing
