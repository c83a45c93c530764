// Bare reading of a server's binlog, for bench/mysql_bench.py: every event verified and placed,
// none decoded. Reads all that is there and ends.
#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <stop_token>
#include <string_view>

#include "connectors/mysql/dump_request.h"
#include "connectors/mysql/event_stream.h"
#include "connectors/mysql/server_binlog.h"

namespace tidelog::mysql {
namespace {

struct Counted {
  std::uint64_t events = 0;
  std::uint64_t bytes = 0;
};

Result<Counted> read_all(const ConnectionOptions& options, const StopSignal& stop) {
  TRY(Connection first, Connection::open(options, stop));
  TRY(const std::vector<BinlogFile> files, list_binlogs(first, stop));
  DumpRequest request;
  request.server_id = 4'000'000'001;
  request.name = "binlog_loop";
  request.start = BinlogPlace{files.front().name};
  request.stops_at_end = true;
  TRY(Connection second, Connection::open(options, stop));
  TRY(BinlogDump dump, begin_dump(std::move(second), request, stop));
  EventStream stream(dump, continuity_of(request.start), request.stops_at_end);
  Counted counted;
  for (;;) {
    TRY(const Arrival arrival, stream.next());
    if (arrival == Arrival::end) return counted;
    if (arrival == Arrival::nothing) {
      wait_for_socket(dump.socket(), Direction::read, std::chrono::milliseconds(1'000), stop);
      continue;
    }
    ++counted.events;
    counted.bytes += stream.event().event.header.event_bytes;
  }
}

}  // namespace
}  // namespace tidelog::mysql

int main(int argc, char** argv) {
  using namespace tidelog;
  if (argc != 3) {
    fmt::print(stderr, "usage: binlog_loop HOST|SOCKET PORT\n");
    return 2;
  }
  mysql::ConnectionOptions options;
  options.user = "root";
  options.tls.mode = mysql::TlsMode::disabled;
  const std::string_view port = argv[2];
  std::from_chars(port.data(), port.data() + port.size(), options.port);
  (argv[1][0] == '/' ? options.socket : options.host) = argv[1];
  const std::stop_source stop;
  const StopSignal signal(stop.get_token());
  const auto counted = mysql::read_all(options, signal);
  if (!counted) {
    fmt::print(stderr, "{}\n", counted.error().what);
    return 1;
  }
  fmt::print("{} events, {} bytes\n", counted->events, counted->bytes);
  return 0;
}
