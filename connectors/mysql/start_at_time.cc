#include "connectors/mysql/start_at_time.h"

#include <fmt/format.h>

#include <optional>
#include <vector>

#include "connectors/mysql/event_stream.h"
#include "connectors/mysql/server_binlog.h"
#include "core/clock.h"

namespace tidelog::mysql {

namespace {

// How a file begins.
struct Beginning {
  UnixMicros opened;
  std::optional<GtidSet> before;  // MySQL: what is in the files before it
};

class FileBeginnings {
 public:
  FileBeginnings(const ConnectionOptions& options, std::uint32_t server_id, const std::string& name,
                 const StopSignal& stop)
      : options_(options), stop_(stop) {
    request_.server_id = server_id;
    request_.name = name;
    request_.stops_at_end = true;
  }

  // A connection each: a dump has no other end than its last event.
  Result<Beginning> read(const std::string& file) {
    request_.start = BinlogPlace{file};
    TRY(Connection connection, Connection::open(options_, stop_));
    const bool is_mariadb = connection.is_mariadb();
    TRY(BinlogDump dump, begin_dump(std::move(connection), request_, stop_));
    EventStream stream(dump, continuity_of(request_.start), request_.stops_at_end);
    Beginning beginning;
    for (;;) {
      TRY_DO(next_event(stream, dump));
      const Event& event = stream.event().event;
      if (event.header.type == EventType::format_description) {
        constexpr std::int64_t micros = 1'000'000;
        beginning.opened = {std::int64_t{event.header.timestamp} * micros};
        if (is_mariadb) return beginning;
      } else if (event.header.type == EventType::previous_gtids) {
        TRY(beginning.before, read_gtid_set(event.body));
        return beginning;
      } else if (event.header.type != EventType::rotate) {
        return beginning;
      }
    }
  }

 private:
  Status next_event(EventStream& stream, const BinlogDump& dump) {
    for (;;) {
      TRY(const Arrival arrival, stream.next());
      if (arrival == Arrival::event) return {};
      if (arrival == Arrival::end)
        return fail(Code::unavailable, "a binlog file without a beginning");
      switch (wait_for_socket(dump.socket(), Direction::read, options_.answer_limit, stop_)) {
        case Wake::ready:
          continue;
        case Wake::timed_out:
          return fail(Code::timeout, "the server sends nothing of its binlog");
        case Wake::stopped:
          return fail(Code::cancelled, "asked to stop");
      }
    }
  }

  const ConnectionOptions& options_;
  const StopSignal& stop_;
  DumpRequest request_;
};

// Files are opened within a second that is told without its fraction.
bool is_surely_before(const Beginning& beginning, UnixMicros time) {
  constexpr std::int64_t second = 1'000'000;
  return beginning.opened.value + second <= time.value;
}

Result<DumpStart> start_of_file(Connection& connection, const std::string& file,
                                const Beginning& beginning, const StopSignal& stop) {
  if (connection.is_mariadb()) {
    TRY(const std::string text,
        connection.value(fmt::format("SELECT BINLOG_GTID_POS({}, 4)", quote_text(file)), stop));
    TRY(MariadbGtidPosition position, MariadbGtidPosition::parse(text));
    return DumpStart(std::move(position));
  }
  TRY(const DumpStart newest, newest_start(connection, stop));
  if (beginning.before && std::holds_alternative<GtidSet>(newest))
    return DumpStart(*beginning.before);
  return DumpStart(BinlogPlace{file});
}

}  // namespace

Result<DumpStart> start_at_time(const ConnectionOptions& options, std::uint32_t server_id,
                                const std::string& name, UnixMicros time, const StopSignal& stop) {
  TRY(Connection connection, Connection::open(options, stop));
  TRY(const std::vector<BinlogFile> files, list_binlogs(connection, stop));
  FileBeginnings beginnings(options, server_id, name, stop);
  // The first file that was not opened before the time is somewhere in [low, high].
  std::size_t low = 0;
  std::size_t high = files.size();
  Beginning last_before;
  while (low < high) {
    const std::size_t middle = low + (high - low) / 2;
    TRY(Beginning beginning, beginnings.read(files[middle].name));
    if (is_surely_before(beginning, time)) {
      low = middle + 1;
      last_before = std::move(beginning);
    } else {
      high = middle;
    }
  }
  if (low > 0) return start_of_file(connection, files[low - 1].name, last_before, stop);
  TRY(const Beginning oldest, beginnings.read(files[0].name));
  return fail(Code::history_lost,
              fmt::format("the oldest binlog of the server, {}, was opened at {}: what was "
                          "committed since {} is not all there",
                          files[0].name, print_time(oldest.opened), print_time(time)));
}

}  // namespace tidelog::mysql
