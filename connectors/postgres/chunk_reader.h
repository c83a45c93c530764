// The existing rows of all captured tables, read at the one point in the log where the slot begins:
// from the snapshot that the server exported when it made the slot. Made by the source's
// start_load, driven by ingest.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "connectors/postgres/captured_tables.h"
#include "connectors/postgres/connection.h"
#include "connectors/postgres/options.h"
#include "core/source.h"
#include "core/source_position.h"

namespace tidelog::postgres {

// One thread. Holds ACCESS SHARE locks on the tables until it is gone, so that none is rewritten
// under the load.
class SnapshotReader : public ChunkReader {
 public:
  // Opens `snapshot` on a connection of its own; once it returns, the connection that exported it
  // may go.
  static Result<std::unique_ptr<ChunkReader>> open(const PostgresOptions& options,
                                                   const std::string& snapshot,
                                                   const PostgresResume& resume);

  std::string resume() const override { return resume_; }
  UnixMicros snapshot_time() const override { return snapshot_time_; }
  const std::vector<Table>& tables() const override { return tables_; }
  Status read(const Table& table, ChangeHandler::Version version, ChangeHandler& handler,
              std::stop_token stop) override;

 private:
  SnapshotReader(Connection connection, std::string resume)
      : connection_(std::move(connection)), resume_(std::move(resume)) {}

  Status import_snapshot(const std::string& snapshot);
  Status find_tables(const PostgresOptions& options);
  Status lock_tables();
  Status describe_tables(const PostgresOptions& options);
  Status load_row(Connection::CopyRow row, const CapturedTable& table, EventBody& event,
                  ChangeHandler& handler);

  Connection connection_;
  std::string resume_;
  UnixMicros snapshot_time_;
  std::vector<CapturedTable> captured_;
  std::vector<Table> tables_;
  std::uint32_t next_ordinal_ = 0;
  CopiedRow row_;
};

}  // namespace tidelog::postgres
