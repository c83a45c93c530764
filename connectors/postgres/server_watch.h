// ServerWatch: looks at the server from beside the stream, on a connection of its own: how far its
// log is ahead of us, and what our slot holds back of it. `run` looks every few seconds, also while
// the source waits or loads. A server that hangs keeps nobody: every answer has its time, and a
// stop ends the wait for it.
#pragma once

#include <optional>
#include <string_view>
#include <utility>

#include "connectors/postgres/connection.h"
#include "connectors/postgres/options.h"
#include "core/result.h"
#include "core/source.h"

namespace tidelog {

// One thread.
class ServerWatch {
 public:
  explicit ServerWatch(PostgresOptions options) : options_(std::move(options)) {}

  // `stored` is the source's position in the store, empty for none.
  Result<SourceProgress> look(std::string_view stored);
  // Writes a heartbeat into the server's log, which comes with the stream and is no event.
  Status beat();

 private:
  Status connect();
  Result<SourceProgress> ask(std::string_view stored);

  const PostgresOptions options_;
  std::optional<postgres::Connection> connection_;  // kept until something goes wrong with it
};

// Drops the source's slot, once its reader has let go of it. Ok when there is none; lost history,
// and nothing is dropped, when it is not the one that led to `stored`.
Status drop_source_slot(const PostgresOptions& options, std::string_view stored);

}  // namespace tidelog
