#include "app/postgres_connector.h"

#include <utility>

#include "app/postgres_options.h"
#include "connectors/postgres/ddl_triggers.h"
#include "connectors/postgres/retained_wal.h"
#include "connectors/postgres/server_watch.h"
#include "connectors/postgres/source.h"
#include "core/source_position.h"

namespace tidelog {
namespace {

class PostgresLooker final : public ServerLooker {
 public:
  explicit PostgresLooker(const PostgresOptions& options) : watch_(options) {}

  Result<ServerLook> look(std::string_view stored) override {
    TRY(const SourceProgress seen, watch_.look(stored));
    TRY(const Lsn end, read_postgres_lsn(seen.server_position));
    return ServerLook{.end = end.value,
                      .missing = seen.lag_bytes,
                      .in_bytes = true,
                      .retained_bytes = seen.retained_bytes,
                      .wal_status = seen.wal_status,
                      .safe_wal_bytes = seen.safe_wal_bytes};
  }
  Status beat() override { return watch_.beat(); }

 private:
  ServerWatch watch_;
};

class PostgresConnector final : public SourceConnector {
 public:
  explicit PostgresConnector(PostgresOptions options) : options_(std::move(options)) {}

  std::unique_ptr<Source> source(std::stop_token stop) const override {
    PostgresOptions options = options_;
    options.stop = std::move(stop);
    return postgres_source(std::move(options));
  }
  std::unique_ptr<ServerLooker> looker() const override {
    return std::make_unique<PostgresLooker>(options_);
  }
  Result<std::vector<Finding>> check(std::string_view stored) const override {
    return check_postgres(options_, stored);
  }
  Result<std::vector<std::string>> remarks() const override {
    TRY(const DdlTriggersState ddl, look_at_ddl_triggers(options_));
    return std::vector<std::string>{"event triggers that write DDL into the log: " + ddl.state};
  }
  std::string_view ready() const override {
    return "ready to load the existing rows and to stream from there";
  }

  std::optional<std::chrono::milliseconds> heartbeat() const override { return options_.heartbeat; }
  bool stands(std::string_view position) const override {
    const auto resume = read_postgres_resume(position);
    return resume && resume->phase == PostgresResume::Phase::streaming;
  }

  std::optional<RetainedWal::Then> at_ceiling() const override {
    if (!options_.retained_wal) return std::nullopt;
    return options_.retained_wal->then;
  }
  // Whether the slot of our name holds the log for this source: before it streams, there may be one
  // that an interrupted begin has left behind, which is dropped at once.
  std::optional<std::string> over_ceiling(std::string_view position,
                                          const ServerLook& seen) const override {
    const auto resume = read_postgres_resume(position);
    const bool has_slot = resume && resume->slot == postgres::slot_name(options_) &&
                          resume->phase == PostgresResume::Phase::streaming;
    return has_slot ? tidelog::over_ceiling(options_, seen.retained_bytes) : std::nullopt;
  }
  Status give_up_log(std::string_view stored) const override {
    return drop_source_slot(options_, stored);
  }

 private:
  const PostgresOptions options_;
};

}  // namespace

std::unique_ptr<SourceConnector> postgres_connector(const SourceConfig& source,
                                                    std::function<void(const Finding&)> on_warning,
                                                    std::stop_token stop) {
  return std::make_unique<PostgresConnector>(
      postgres_options(source, std::move(on_warning), std::move(stop)));
}

}  // namespace tidelog
