// Which transactions a snapshot of InnoDB shows, in the words of the binlog: what the loads beside
// the stream need (core/table_reader.h). For the reader of existing rows.
//
// MySQL adds a transaction to gtid_executed once it can be seen, and takes it off gtid_owned then;
// in the binlog it is long before. So a snapshot shows all that was executed before it was taken;
// what was owned or came since, it may show. MariaDB says exactly where in the binlog a consistent
// snapshot stands (MariaDB manual, "START TRANSACTION", WITH CONSISTENT SNAPSHOT).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "connectors/mysql/connection.h"
#include "connectors/mysql/gtid_set.h"
#include "connectors/socket/wait.h"
#include "core/clock.h"
#include "core/result.h"
#include "core/source_position.h"
#include "core/table_reader.h"

namespace tidelog::mysql {

// Of one session. One thread; the connection must outlive it.
class RowSnapshots {
 public:
  RowSnapshots(Connection& connection, const StopSignal& stop)
      : connection_(connection), stop_(stop) {}

  // What is in the binlog by now is shown by every snapshot that is taken afterwards: waits for
  // what is being committed.
  Status wait_for_commits();
  // Begins a transaction that only reads, whose snapshot this is.
  Result<TableReader::Snapshot> begin();
  // Whether that snapshot shows nothing but what it is named by.
  bool is_exact() const { return is_exact_; }
  // Behind everything that the snapshot shows; after the transaction. For TableReaders::passed.
  Result<std::string> end();

 private:
  Result<GtidSet> owned();
  Result<GtidSet> executed();
  Status wait_a_moment() const;
  Result<std::string> begin_mysql();
  Result<std::string> begin_mariadb();
  Result<BinlogPlace> current_place();
  Result<BinlogPlace> snapshot_place();

  Connection& connection_;
  const StopSignal& stop_;
  bool is_exact_ = false;
  std::optional<BinlogPlace> not_before_;  // MariaDB: where the binlog ended
  BinlogPlace place_;                      // of the snapshot
  std::string shown_;                      // MariaDB: what it shows
};

// See TableReaders.
Result<bool> snapshot_includes(std::string_view snapshot, std::string_view position);
Result<bool> has_passed(std::string_view resume, std::string_view end);

// What @@gtid_owned prints, as a set: "uuid:5#12:6#13".
Result<GtidSet> read_owned_gtids(std::string_view text);

}  // namespace tidelog::mysql
