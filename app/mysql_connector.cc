#include "app/mysql_connector.h"

#include <string>
#include <utility>

#include "app/first_load.h"
#include "connectors/mysql/connection_url.h"
#include "connectors/mysql/server_watch.h"
#include "connectors/mysql/source.h"
#include "core/source_position.h"

namespace tidelog {
namespace {

class MysqlLooker final : public ServerLooker {
 public:
  explicit MysqlLooker(const MysqlOptions& options) : watch_(options) {}

  Result<ServerLook> look(std::string_view stored) override {
    TRY(const mysql::ServerWatch::Seen seen, watch_.look(stored));
    return ServerLook{.end = seen.end, .missing = seen.missing, .in_bytes = seen.in_bytes};
  }
  Status beat() override { return {}; }

 private:
  mysql::ServerWatch watch_;
};

class MysqlConnector final : public SourceConnector {
 public:
  explicit MysqlConnector(MysqlOptions options) : options_(std::move(options)) {}

  std::unique_ptr<Source> source(std::stop_token stop) const override {
    MysqlOptions options = options_;
    options.stop = std::move(stop);
    return mysql_source(std::move(options));
  }
  std::unique_ptr<ServerLooker> looker() const override {
    return std::make_unique<MysqlLooker>(options_);
  }
  Result<std::vector<Finding>> check(std::string_view stored) const override {
    return check_mysql(options_, stored);
  }
  Result<std::vector<std::string>> remarks() const override { return std::vector<std::string>(); }
  std::string_view ready() const override {
    return "ready to load the existing rows and to stream from there";
  }
  std::optional<std::chrono::milliseconds> heartbeat() const override { return std::nullopt; }
  bool stands(std::string_view position) const override {
    const auto resume = read_mysql_resume(position);
    return resume && resume->phase == MysqlResume::Phase::streaming;
  }

  // The server keeps its binlogs for as long as it is told, whoever reads them.
  std::optional<RetainedWal::Then> at_ceiling() const override { return std::nullopt; }
  std::optional<std::string> over_ceiling(std::string_view /*position*/,
                                          const ServerLook& /*seen*/) const override {
    return std::nullopt;
  }
  Status give_up_log(std::string_view /*stored*/) const override { return {}; }

 private:
  const MysqlOptions options_;
};

}  // namespace

std::unique_ptr<SourceConnector> mysql_connector(const SourceConfig& source,
                                                 std::function<void(const Finding&)> on_warning,
                                                 std::stop_token stop) {
  MysqlOptions options;
  options.name = source.name;
  // Checked with the configuration.
  if (auto connection = mysql::parse_connection_url(source.connection))
    options.connection = *std::move(connection);
  options.tables = source.tables;
  options.except = source.except;
  options.server_id = source.server_id;
  options.loads_rows = [source](const std::string& table) {
    return first_load_of(source, table).what != FirstLoad::What::nothing;
  };
  options.on_warning = std::move(on_warning);
  options.stop = std::move(stop);
  return std::make_unique<MysqlConnector>(std::move(options));
}

}  // namespace tidelog
