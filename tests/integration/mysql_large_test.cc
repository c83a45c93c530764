// Events that are larger than a packet, from real servers.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include "connectors/mysql/payload_reader.h"
#include "connectors/mysql/server_binlog.h"
#include "tests/integration/mysql_dump.h"

namespace tidelog::testing {
namespace {

using namespace tidelog::mysql;

DumpStart newest(MysqlServer& server) {
  Connection connection = connect(connection_to(server));
  const std::stop_source stop;
  const StopSignal signal(stop.get_token());
  return *newest_start(connection, signal);
}

// The next piece of a payload, waiting for it.
std::string_view next_piece(Dump& dump) {
  for (;;) {
    const auto piece = dump.stream().next_piece();
    if (!piece) throw std::runtime_error(piece.error().what);
    if (*piece) return **piece;
    if (dump.stream().is_over()) return {};
    wait_for_socket(dump.dump().socket(), Direction::read, Duration(100), dump.signal());
  }
}

struct Payload {
  std::size_t events = 0;
  std::size_t row_bytes = 0;
  std::vector<std::string> first;  // types
  std::string last;
};

Payload unpack(Dump& dump, const PlacedEvent& placed) {
  PayloadReader reader;
  Payload payload;
  const auto must = [](const Status& status) {
    if (!status) throw std::runtime_error(status.error().what);
  };
  must(reader.begin(placed.is_whole ? placed.event.body : next_piece(dump)));
  for (;;) {
    const auto event = reader.next();
    if (!event) throw std::runtime_error(event.error().what);
    if (*event) {
      const EventHeader& header = (*event)->header;
      ++payload.events;
      payload.last = name_of(header.type);
      if (payload.first.size() < 3) payload.first.push_back(payload.last);
      if (header.type == EventType::write_rows) payload.row_bytes += (*event)->body.size();
      continue;
    }
    const std::string_view piece = placed.is_whole ? std::string_view() : next_piece(dump);
    if (piece.empty()) break;
    reader.add(piece);
  }
  must(reader.end());
  return payload;
}

TEST_CASE("large events: a row of 60 MB comes whole over the seams of its packets") {
  for (const MysqlVersion& version :
       {MysqlVersion{"mysql", "8.0"}, MysqlVersion{"mariadb", "11.8"}}) {
    CAPTURE(version.text());
    MysqlServer server(version);
    server.sql("create database shop; create table shop.t (a int primary key, b longblob)");
    const DumpStart start = newest(server);
    server.sql("insert into shop.t values (1, repeat('0123456789abcdef', 3932160)), (2, 'x')");
    for (const TlsMode mode : {TlsMode::disabled, TlsMode::required}) {
      ConnectionOptions options = connection_to(server);
      options.tls.mode = mode;
      Dump dump(connect(options), request_from(start));
      bool found = false;
      std::string last;
      while (const PlacedEvent* const placed = dump.next()) {
        last = name_of(placed->event.header.type);
        CHECK(placed->is_whole);
        if (placed->event.body.size() < 60'000'000) continue;
        found = true;
        const std::size_t begin = placed->event.body.find("0123456789abcdef");
        REQUIRE(begin != std::string_view::npos);
        const std::string_view row = placed->event.body.substr(begin, 62'914'560);
        std::string expected;
        for (int i = 0; i < 3'932'160; ++i) expected += "0123456789abcdef";
        CHECK(row == expected);
      }
      CHECK(found);
      CHECK_FALSE(dump.error());
      CHECK(last == "Xid");
    }
  }
}

TEST_CASE("large events: a payload of many packets is unpacked in pieces, a small one whole") {
  for (const std::string number : {"8.0", "9.7"}) {
    CAPTURE(number);
    MysqlServer server(
        {.version = {"mysql", number}, .settings = {"binlog-transaction-compression=ON"}});
    server.sql(
        "create database shop; create table shop.t (a int primary key auto_increment, b blob);"
        "create table shop.source (b blob);"
        "set session cte_max_recursion_depth = 100000;"
        "insert into shop.source with recursive n (i) as (select 1 union all select i + 1 from n "
        "where i < 20000) select random_bytes(1000) from n");
    const DumpStart start = newest(server);
    server.sql("insert into shop.t (b) values ('small')");
    server.sql("insert into shop.t (b) select b from shop.source");
    Dump dump(connect(connection_to(server)), request_from(start));
    std::vector<Payload> payloads;
    std::vector<bool> whole;
    while (const PlacedEvent* const placed = dump.next()) {
      if (placed->event.header.type != EventType::transaction_payload) continue;
      whole.push_back(placed->is_whole);
      payloads.push_back(unpack(dump, *placed));
    }
    if (dump.error()) FAIL_CHECK(dump.error()->what);
    REQUIRE(payloads.size() == 2);
    CHECK(whole == std::vector<bool>{true, false});
    for (const Payload& payload : payloads) {
      CHECK(payload.first == std::vector<std::string>{"Query", "Table_map", "Write_rows"});
      CHECK(payload.last == "Xid");
    }
    CHECK(payloads[0].events == 4);
    CHECK(payloads[1].row_bytes > 20'000'000);
  }
}

}  // namespace
}  // namespace tidelog::testing
