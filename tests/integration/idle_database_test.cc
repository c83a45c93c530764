// Databases where nothing is captured for long: the server lets go of its log all the same.
#include <doctest/doctest.h>

#include <algorithm>
#include <thread>

#include "core/disk.h"
#include "ingest/ingest.h"
#include "tests/integration/postgres_capture.h"
#include "tests/support/child_process.h"

namespace tidelog::testing {
namespace {

// A source into a store as `run` does it, but a position alone is stored ten times a second.
class Capture {
 public:
  explicit Capture(const PostgresOptions& options)
      : store_(EventStore::open(*disk_, *clock_, scratch_folder("idle").string(), {}).value()),
        source_(postgres_source(options)),
        ingest_(*store_, *source_, *clock_, options_of(options.name)),
        thread_([this](const std::stop_token& stop) { ended_ = ingest_.run(stop); }) {}

  bool streams() const { return ingest_.progress().state == IngestProgress::State::streaming; }
  bool has_loaded() const {
    return std::ranges::all_of(ingest_.loads().progress(), [](const LoadProgress& load) {
      return load.state == LoadProgress::State::ended;
    });
  }
  std::uint64_t events() const { return store_->durable().value; }
  Status end() {
    thread_.request_stop();
    thread_.join();
    return ended_;
  }

 private:
  static IngestOptions options_of(const std::string& name) {
    IngestOptions options;
    options.name = name;
    options.progress_interval = Duration(100);
    return options;
  }

  std::unique_ptr<Disk> disk_ = real_disk();
  std::unique_ptr<Clock> clock_ = real_clock();
  std::unique_ptr<EventStore> store_;
  std::unique_ptr<Source> source_;
  Ingest ingest_;
  Status ended_;
  std::jthread thread_;
};

std::string next_transaction(PostgresServer& server) {
  return server.sql("select pg_snapshot_xmax(pg_current_snapshot())").at(0).at(0);
}

// Everything up to the log's end is confirmed, and is not kept for the slot, without a transaction
// of ours. The server notes at a checkpoint from where on it can decode.
void check_let_go(PostgresServer& server) {
  const std::string end = server.sql("select pg_current_wal_lsn()").at(0).at(0);
  const std::string next = next_transaction(server);
  CHECK(eventually(soon, [&] {
    return server.sql("select confirmed_flush_lsn >= '" + end + "' from pg_replication_slots") ==
           Rows{{"t"}};
  }));
  CHECK(eventually(soon, [&] {
    server.sql("checkpoint");
    return server.sql("select restart_lsn >= '" + end + "' from pg_replication_slots") ==
           Rows{{"t"}};
  }));
  CHECK(next_transaction(server) == next);
}

}  // namespace

TEST_CASE("idle database: what other databases and tables write is let go of, with no heartbeat") {
  for (const std::string& version : postgres_versions()) {
    CAPTURE(version);
    PostgresServer server({.settings = {}, .hba = {}, .version = version});
    server.sql("create table orders (id int primary key); create table unread (n int)");
    server.sql("create database other");
    Capture capture(options_for(server.url(), {"public.orders"}));
    REQUIRE(eventually(soon, [&] { return capture.streams() && capture.has_loaded(); }));
    const std::uint64_t events = capture.events();

    SqlSession other(server.url().substr(0, server.url().rfind('/') + 1) + "other");
    other.sql("create table busy as select generate_series(1, 20000) n");
    check_let_go(server);
    server.sql("insert into unread select generate_series(1, 20000)");
    check_let_go(server);
    CHECK(capture.events() == events);
    CHECK(capture.end());
  }
}

}  // namespace tidelog::testing
