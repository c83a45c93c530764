// PostgresCapture: a Postgres source of a real server, with a RecordingHandler where ingest would
// be.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "connectors/postgres/source.h"
#include "core/source_position.h"
#include "core/table_reader.h"
#include "tests/support/postgres_server.h"
#include "tests/support/recording_handler.h"

namespace tidelog::testing {

inline PostgresOptions options_for(const std::string& url, std::vector<std::string> tables) {
  PostgresOptions options;
  options.name = "shop";
  options.connection = url;
  options.tables = std::move(tables);
  return options;
}

// One thread, beside the one that streams.
class PostgresCapture {
 public:
  explicit PostgresCapture(PostgresOptions options)
      : source_(postgres_source(std::move(options))) {}
  ~PostgresCapture() { static_cast<void>(stop()); }

  RecordingHandler handler;
  std::string stored;  // the position in the store that we would have

  Result<Source::Next> prepare() { return source_->prepare(stored); }

  // From nothing to the rows that there are, before anything is streamed.
  Status load() {
    TRY_DO(prepare());
    stored = source_->beginning_position();
    TRY(const Source::Begun begun, source_->begin());
    for (const std::string& table : begun.tables) TRY_DO(load_table(table, nullptr));
    stored = begun.resume;
    return {};
  }

  // The rows of a table, handed on; gives the snapshots of which they were read.
  std::vector<std::string> read_table(const std::string& table) {
    std::vector<std::string> snapshots;
    if (auto done = load_table(table, &snapshots); !done)
      throw std::runtime_error(done.error().what);
    return snapshots;
  }

  // Streams on a thread of its own, from `stored`.
  void start() {
    ended_ = {};
    thread_ = std::jthread([this](const std::stop_token& stop) {
      ended_ = source_->stream(stored, handler, stop);
      while (reconnects && !ended_ && ended_.error().code == Code::unavailable &&
             !stop.stop_requested()) {
        ended_ = connect_again(stop);
      }
    });
  }

  // Ends streaming; what was stored by then is where the next start goes on.
  Status stop() {
    if (!thread_.joinable()) return ended_;
    thread_.request_stop();
    return wait_for_end();
  }

  Status wait_for_end() {
    thread_.join();
    if (!handler.durable().empty()) stored = handler.durable();
    return ended_;
  }

  // Loaded, and streaming.
  void run() {
    if (auto done = load(); !done) throw std::runtime_error(done.error().what);
    start();
  }

  Source& source() { return *source_; }
  bool reconnects = false;  // as ingest does, when the connection is lost

 private:
  // Hands the rows on as they are read.
  class Rows final : public TableReader::Sink {
   public:
    Rows(RecordingHandler& handler, std::string table, std::vector<std::string>* snapshots)
        : handler_(handler), table_(std::move(table)), snapshots_(snapshots) {}
    void snapshot(const TableReader::Snapshot& snapshot) override {
      if (snapshots_ != nullptr) snapshots_->push_back(snapshot.transactions);
    }
    Result<ChangeHandler::Version> schema(const Schema& schema) override {
      return handler_.schema(table_, schema);
    }
    Result<bool> row(const EventBody& event) override {
      TRY_DO(handler_.event(event));
      return true;
    }

   private:
    RecordingHandler& handler_;
    const std::string table_;
    std::vector<std::string>* const snapshots_;
  };

  Status load_table(const std::string& table, std::vector<std::string>* snapshots) {
    TRY(const auto reader, source_->table_readers().open({table, {}}, {}));
    Rows rows(handler, table, snapshots);
    std::string next;
    for (bool last = false; !last;) {
      TRY(const TableReader::Chunk chunk, reader->read({next, {}}, 10'000, rows));
      next = chunk.next;
      last = chunk.last;
    }
    return {};
  }

  Status connect_again(const std::stop_token& stop) {
    TRY_DO(handler.idle());
    if (!handler.durable().empty()) stored = handler.durable();
    TRY_DO(prepare());
    return source_->stream(stored, handler, stop);
  }

  std::unique_ptr<Source> source_;
  Status ended_;
  std::jthread thread_;
};

// The errors among the findings, one after the other; empty for none.
inline std::string errors_in(const std::vector<Finding>& findings) {
  std::string errors;
  for (const Finding& finding : findings) {
    if (finding.severity == Finding::Severity::error)
      errors += finding.what + " -> " + finding.mend + "\n";
  }
  return errors;
}

}  // namespace tidelog::testing
