// Reads existing rows beside the stream: chunks of one table in the order of its key, each in a
// short transaction of its own, so that no old snapshot is held for long. Made by the source for
// ingest's loads (core/table_reader.h).
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/mysql/connection.h"
#include "connectors/mysql/options.h"
#include "connectors/mysql/statement.h"
#include "connectors/socket/wait.h"
#include "connectors/tables/recent_tables.h"
#include "core/result.h"
#include "core/schema.h"
#include "core/source_position.h"
#include "core/table_reader.h"

namespace tidelog::mysql {

class MysqlTableReaders final : public TableReaders {
 public:
  // `options` must outlive it.
  explicit MysqlTableReaders(const MysqlOptions& options) : options_(options) {}
  Result<std::unique_ptr<TableReader>> open(const TableToLoad& table,
                                            std::stop_token stop) override;
  Result<bool> includes(std::string_view snapshot, const Streamed& transaction) const override;
  Result<bool> passed(std::string_view resume, std::string_view place) const override;

  // What the rows are reconciled with: the stream of this server, from this place on.
  void set_stream(const MysqlResume& resume);

 private:
  Status check_stream(Connection& connection, const StopSignal& stop);
  Result<NamedTable> find(Connection& connection, const std::string& table, const StopSignal& stop);

  const MysqlOptions& options_;
  std::mutex mutex_;
  std::optional<MysqlResume> stream_;  // guarded by mutex_
  RecentTables<NamedTable> captured_;
};

// The tables of the server that the configuration captures, by database and name.
Result<std::vector<NamedTable>> list_captured_tables(Connection& connection,
                                                     const MysqlOptions& options,
                                                     const StopSignal& stop);

// Of tables by the names of their streams, in their order: their schemas as the log has them.
Result<std::vector<Schema>> describe_tables(Connection& connection, const MysqlOptions& options,
                                            const std::vector<std::string>& tables,
                                            const StopSignal& stop);

}  // namespace tidelog::mysql
