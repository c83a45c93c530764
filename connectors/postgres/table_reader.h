// Reads existing rows beside the stream: chunks of one table in the order of a unique index, each
// in a short transaction of its own, so that neither a lock nor an old snapshot is held for long.
// Made by the source for ingest's loads (core/table_reader.h).
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

#include "connectors/postgres/captured_tables.h"
#include "connectors/postgres/connection.h"
#include "connectors/postgres/options.h"
#include "connectors/tables/recent_tables.h"
#include "core/result.h"
#include "core/table_reader.h"

namespace tidelog::postgres {

class PostgresTableReaders final : public TableReaders {
 public:
  // `options` must outlive it.
  explicit PostgresTableReaders(const PostgresOptions& options) : options_(options) {}
  Result<std::unique_ptr<TableReader>> open(const TableToLoad& table,
                                            std::stop_token stop) override;
  Result<bool> includes(std::string_view snapshot, const Streamed& transaction) const override;
  Result<bool> passed(std::string_view resume, std::string_view place) const override;

  // Of the server that is streamed: rows of another one are of another history.
  void set_system_id(std::uint64_t system_id) { system_id_ = system_id; }

 private:
  Status check_server(Connection& connection) const;
  Result<CapturedTable> find(Connection& connection, const std::string& table);

  const PostgresOptions& options_;
  std::atomic<std::uint64_t> system_id_{0};  // 0: not known
  RecentTables<CapturedTable> captured_;
};

// Whether a transaction is shown by "xmin:xmax:xip,xip" (Postgres manual, "Transaction ID and
// Snapshot Information Functions"). The transaction's number has 32 bits, the snapshot's 64.
Result<bool> snapshot_includes(std::string_view snapshot, std::string_view transaction);

}  // namespace tidelog::postgres
