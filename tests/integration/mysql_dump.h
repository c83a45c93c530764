// A binlog dump from a test's server, and what came of it.
#pragma once

#include <charconv>
#include <memory>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <vector>

#include "connectors/mysql/dump_request.h"
#include "connectors/mysql/event_stream.h"
#include "tests/support/child_process.h"
#include "tests/support/mysql_server.h"

namespace tidelog::testing {

inline mysql::ConnectionOptions connection_to(const MysqlServer& server) {
  return {.host = "127.0.0.1", .user = "root", .port = server.port()};
}

inline std::uint64_t number_in(const std::string& text) {
  std::uint64_t number = 0;
  const char* const end = text.data() + text.size();
  if (std::from_chars(text.data(), end, number).ptr != end) throw std::runtime_error(text);
  return number;
}

// The event as a line of SHOW BINLOG EVENTS has it, as far as its header tells.
struct DumpedEvent {
  std::string file;
  std::uint64_t offset = 0;
  std::string type;
  bool operator==(const DumpedEvent&) const = default;
};

inline mysql::Connection connect(const mysql::ConnectionOptions& options) {
  const std::stop_source stop;
  const StopSignal signal(stop.get_token());
  Result<mysql::Connection> opened = mysql::Connection::open(options, signal);
  if (!opened) throw std::runtime_error(opened.error().what);
  return *std::move(opened);
}

inline constexpr std::uint32_t our_server_id = 4'000'000'000;

// Up to the end of what is there.
inline mysql::DumpRequest request_from(mysql::DumpStart start) {
  return {.server_id = our_server_id,
          .name = "tidelog test",
          .start = std::move(start),
          .heartbeat = Duration(100),
          .stops_at_end = true};
}

// One thread.
class Dump {
 public:
  Dump(mysql::Connection connection, const mysql::DumpRequest& request)
      : signal_(stop_.get_token()), start_(request.start), ends_(request.stops_at_end) {
    Result<mysql::BinlogDump> begun = mysql::begin_dump(std::move(connection), request, signal_);
    if (begun) {
      dump_ = std::make_unique<mysql::BinlogDump>(*std::move(begun));
      stream_ = std::make_unique<mysql::EventStream>(*dump_, mysql::continuity_of(start_), ends_);
    } else {
      error_ = begun.error();
    }
  }

  // The next event; nothing: the end, an error, or none within the time.
  const mysql::PlacedEvent* next(Duration deadline = soon) {
    const auto until = std::chrono::steady_clock::now() + deadline;
    while (!error_) {
      const Result<mysql::Arrival> arrival = stream_->next();
      if (!arrival) error_ = arrival.error();
      if (!arrival || *arrival == mysql::Arrival::end) break;
      if (*arrival == mysql::Arrival::event) return &stream_->event();
      if (std::chrono::steady_clock::now() >= until) break;
      wait_for_socket(dump_->socket(), Direction::read, Duration(100), signal_);
    }
    return nullptr;
  }

  mysql::EventStream& stream() { return *stream_; }
  const mysql::BinlogDump& dump() const { return *dump_; }
  const std::optional<Error>& error() const { return error_; }
  const StopSignal& signal() const { return signal_; }

 private:
  std::stop_source stop_;
  StopSignal signal_;
  mysql::DumpStart start_;
  bool ends_;
  std::unique_ptr<mysql::BinlogDump> dump_;
  std::unique_ptr<mysql::EventStream> stream_;
  std::optional<Error> error_;
};

}  // namespace tidelog::testing
