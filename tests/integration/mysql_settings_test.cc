// Servers with other settings: without checksums and without GTIDs, changed while they send, and
// with binlogs that are encrypted.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <fstream>

#include "connectors/mysql/gtid_event.h"
#include "connectors/mysql/server_binlog.h"
#include "connectors/mysql/transaction_events.h"
#include "tests/integration/mysql_dump.h"

namespace tidelog::testing {
namespace {

using namespace tidelog::mysql;

template <class Ask>
auto ask(MysqlServer& server, Ask question) {
  Connection connection = connect(connection_to(server));
  const std::stop_source stop;
  const StopSignal signal(stop.get_token());
  auto answer = question(connection, signal);
  if (!answer) throw std::runtime_error(answer.error().what);
  return *std::move(answer);
}

// Until the next commit, whose number is read.
void check_commit(Dump& dump) {
  for (int i = 0; i < 100; ++i) {
    const PlacedEvent* const event = dump.next();
    INFO((dump.error() ? dump.error()->what : std::string()));
    REQUIRE(event != nullptr);
    if (event->event.header.type != EventType::xid) continue;
    CHECK(read_xid(event->event.body));
    return;
  }
  FAIL("no commit came");
}

TEST_CASE("settings: checksums may be turned off and on again while the server sends") {
  for (const MysqlVersion& version : mysql_versions()) {
    CAPTURE(version.text());
    MysqlServer server(version);
    server.sql("create database shop; create table shop.t (a int)");
    for (const bool by_place : {true, false}) {
      CAPTURE(by_place);
      DumpStart start = ask(server, newest_start);
      if (by_place) {
        const BinlogFile last = ask(server, list_binlogs).back();
        start = BinlogPlace{last.name, last.bytes};
      }
      DumpRequest request = request_from(start);
      request.stops_at_end = false;
      Dump dump(connect(connection_to(server)), request);
      for (const std::string checksum : {"NONE", "CRC32"}) {
        CAPTURE(checksum);
        server.sql("insert into shop.t values (1)");
        check_commit(dump);
        server.sql("set global binlog_checksum = " + checksum);
        server.sql("insert into shop.t values (2)");
        const DumpStart between = ask(server, newest_start);
        server.sql("insert into shop.t values (3)");
        check_commit(dump);
        check_commit(dump);
        // From the midst of such a file.
        DumpRequest midst =
            request_from(BinlogPlace{dump.stream().check().file(), dump.stream().event().offset});
        midst.server_id = our_server_id - 1;
        Dump other(connect(connection_to(server)), midst);
        check_commit(other);
        CHECK(other.stream().check().checksum_bytes() == (checksum == "NONE" ? 0 : 4));
        DumpRequest rest = request_from(between);
        rest.server_id = our_server_id - 2;
        Dump by_gtids(connect(connection_to(server)), rest);
        check_commit(by_gtids);
      }
    }
  }
}

TEST_CASE("settings: without GTIDs a dump begins by place, and its transactions are anonymous") {
  for (const std::string number : {"8.0", "9.7"}) {
    CAPTURE(number);
    MysqlServer server({.version = {"mysql", number},
                        .settings = {"gtid-mode=OFF", "enforce-gtid-consistency=OFF"}});
    server.sql("create database shop; create table shop.t (a int)");
    const DumpStart start = ask(server, newest_start);
    CHECK(std::holds_alternative<BinlogPlace>(start));
    CHECK(std::get<BinlogPlace>(ask(server, oldest_start)) == BinlogPlace{"binlog.000001", 4});
    server.sql("insert into shop.t values (1)");
    Dump dump(connect(connection_to(server)), request_from(start));
    bool is_anonymous = false;
    while (const PlacedEvent* const event = dump.next()) {
      if (event->event.header.type != EventType::anonymous_gtid) continue;
      const auto gtid = read_gtid_event(event->event);
      REQUIRE(gtid);
      CHECK_FALSE(gtid->gtid);
      CHECK(gtid->commit);
      is_anonymous = true;
    }
    CHECK_FALSE(dump.error());
    CHECK(is_anonymous);
    Dump by_gtids(connect(connection_to(server)), request_from(GtidSet()));
    CHECK(by_gtids.next() == nullptr);
    REQUIRE(by_gtids.error());
    CHECK(by_gtids.error()->code == Code::misconfigured);
  }
}

TEST_CASE("settings: a binlog that the server keeps encrypted comes in plain") {
  const std::filesystem::path keys = scratch_folder("keys") / "keys.txt";
  std::ofstream(keys) << "1;" << std::string(64, 'a') << "\n";
  MysqlServer server(
      {.version = {"mariadb", "11.8"},
       .settings = {"plugin-load-add=file_key_management",
                    "file-key-management-filename=" + keys.string(), "encrypt-binlog=ON"}});
  server.sql("create database shop; create table shop.t (a int); insert into shop.t values (1)");
  CHECK(content_of(server.data() / "binlog.000001").find("create table") == std::string::npos);
  for (const DumpStart& start :
       {DumpStart(BinlogPlace{"binlog.000001"}), ask(server, oldest_start)}) {
    Dump dump(connect(connection_to(server)), request_from(start));
    std::size_t transactions = 0;
    while (const PlacedEvent* const event = dump.next())
      transactions += event->event.header.type == EventType::mariadb_gtid ? 1 : 0;
    if (dump.error()) FAIL_CHECK(dump.error()->what);
    CHECK(transactions == 3);
  }
}

}  // namespace
}  // namespace tidelog::testing
