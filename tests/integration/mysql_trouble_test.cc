// The bad days of a binlog dump: what was purged, what never was, and others with our server id.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "connectors/mysql/server_binlog.h"
#include "tests/integration/mysql_dump.h"

namespace tidelog::testing {
namespace {

using namespace tidelog::mysql;

// Why a dump from there ends, or does not begin.
Error error_from(MysqlServer& server, DumpStart start) {
  Dump dump(connect(connection_to(server)), request_from(std::move(start)));
  while (dump.next() != nullptr) continue;
  if (dump.error()) return *dump.error();
  return {Code::not_found, "no error"};
}

#define CHECK_CODE(error_expression, expected) \
  do {                                         \
    const Error met = (error_expression);      \
    INFO(met.what);                            \
    CHECK(met.code == (expected));             \
  } while (false)

void check_lost_history(MysqlServer& server) {
  Connection connection = connect(connection_to(server));
  const std::stop_source stop;
  const StopSignal signal(stop.get_token());
  const DumpStart oldest = *oldest_start(connection, signal);
  server.sql(
      "create database shop; create table shop.t (a int); insert into shop.t values (1);"
      "flush binary logs; insert into shop.t values (2); flush binary logs;");
  // MariaDB keeps for a moment what a crash would need.
  REQUIRE(eventually(soon, [&] {
    server.sql("purge binary logs to 'binlog.000003'");
    return list_binlogs(connection, signal)->front().name == "binlog.000003";
  }));
  CHECK_CODE(error_from(server, oldest), Code::history_lost);
  CHECK_CODE(error_from(server, BinlogPlace{"binlog.000001"}), Code::history_lost);
  CHECK_CODE(error_from(server, BinlogPlace{"binlog.000099"}), Code::history_lost);
  CHECK_CODE(error_from(server, BinlogPlace{"binlog.000003", 1'000'000}), Code::history_lost);
  // What the server never had.
  if (server.version().is_mariadb()) {
    CHECK_CODE(error_from(server, *MariadbGtidPosition::parse("0-1-1000")), Code::history_lost);
    CHECK_CODE(error_from(server, *MariadbGtidPosition::parse("9-1-5")), Code::history_lost);
    CHECK_CODE(error_from(server, GtidSet()), Code::unsupported);
  } else {
    GtidSet set = std::get<GtidSet>(*newest_start(connection, signal));
    const GtidSource source = set.sources().begin()->first;
    set.add(source, {1, 1'000});
    CHECK_CODE(error_from(server, set), Code::history_lost);
    CHECK_CODE(error_from(server, MariadbGtidPosition()), Code::unsupported);
  }
  // What is left is all there.
  CHECK_CODE(error_from(server, *oldest_start(connection, signal)), Code::not_found);
  CHECK_CODE(error_from(server, BinlogPlace{"binlog.000003"}), Code::not_found);
}

// In the midst of an event: the server sees it, or we do.
void check_place_inside_of_an_event(MysqlServer& server) {
  const Error error = error_from(server, BinlogPlace{"binlog.000003", 300});
  INFO(error.what);
  CHECK((error.code == Code::corrupt || error.code == Code::history_lost ||
         error.code == Code::unsupported));
}

void check_taken_server_id(MysqlServer& server) {
  Connection other = connect(connection_to(server));
  const std::stop_source stop;
  const StopSignal signal(stop.get_token());
  DumpRequest request = request_from(*newest_start(other, signal));
  request.stops_at_end = false;
  Dump ours(connect(connection_to(server)), request);
  CHECK(ours.next() != nullptr);
  request.name = "somebody else";
  Dump theirs(connect(connection_to(server)), request);
  CHECK(theirs.next() != nullptr);
  while (ours.next() != nullptr) continue;
  REQUIRE(ours.error());
  INFO(ours.error()->what);
  CHECK((ours.error()->code == Code::conflict || ours.error()->code == Code::unavailable));
  CHECK(*reader_with(other, our_server_id, signal) == "somebody else");
  CHECK(theirs.next() != nullptr);
  server.sql("insert into shop.t values (3)");
}

void check_shutdown(MysqlServer& server) {
  Connection other = connect(connection_to(server));
  const std::stop_source stop;
  const StopSignal signal(stop.get_token());
  DumpRequest request = request_from(*newest_start(other, signal));
  request.stops_at_end = false;
  Dump dump(connect(connection_to(server)), request);
  CHECK(dump.next() != nullptr);
  server.stop(MysqlServer::Shutdown::immediate);
  while (dump.next() != nullptr) continue;
  REQUIRE(dump.error());
  CHECK(dump.error()->code == Code::unavailable);
  const auto refused = Connection::open(connection_to(server), signal);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Code::unavailable);
}

TEST_CASE("binlog trouble: lost history, strange places and taken server ids are told apart") {
  for (const MysqlVersion& version : mysql_versions()) {
    CAPTURE(version.text());
    MysqlServer server(version);
    check_lost_history(server);
    check_place_inside_of_an_event(server);
    check_taken_server_id(server);
    check_shutdown(server);
  }
}

TEST_CASE("binlog trouble: a request to stop ends a connection attempt that hangs") {
  // Takes the connection and never says a word.
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  REQUIRE(::listen(listener, 1) == 0);
  socklen_t size = sizeof address;
  REQUIRE(::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  ConnectionOptions options{.host = "127.0.0.1", .user = "root", .port = ntohs(address.sin_port)};
  options.connect_limit = std::chrono::seconds(60);
  std::stop_source stop;
  const StopSignal signal(stop.get_token());
  std::jthread stopper([&] {
    ::accept(listener, nullptr, nullptr);
    stop.request_stop();
  });
  const auto opened = Connection::open(options, signal);
  REQUIRE_FALSE(opened);
  CHECK(opened.error().code == Code::cancelled);
  stopper.join();

  options.connect_limit = std::chrono::seconds(1);
  const std::stop_source none;
  const StopSignal no_signal(none.get_token());
  const auto late = Connection::open(options, no_signal);
  REQUIRE_FALSE(late);
  CHECK(late.error().code == Code::unavailable);
  ::close(listener);
}

}  // namespace
}  // namespace tidelog::testing
